"""Upload24: what became of an upload, for all accounts and for each; the tenant's history."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, get_args
from uuid import uuid4

import pytest

from contracts.events import Stage, UploadRejected
from services.gateway.domain.publication import Status
from tests.contract.dialects.conftest import Gateway
from tests.contract.dialects.upload24 import Upload24, refused

LATER = (datetime.now(UTC) + timedelta(days=3)).replace(microsecond=0)
FAILED = {"error_code": "destination_rejected", "error_message": "The destination says no."}


@pytest.fixture
def api(gateway: Gateway) -> Upload24:
    return Upload24(gateway)


async def statuses(api: Upload24, upload_id: str) -> tuple[str, list[str]]:
    status = await api.status(upload_id)
    return status["status"], [account["status"] for account in status["accounts"]]


async def test_a_status_names_each_account_in_the_order_of_the_request(api: Upload24) -> None:
    # T-12
    accounts = list(reversed(api.gateway.accounts))
    upload_id = await api.uploaded(accounts=accounts)

    assert await api.status(upload_id) == {
        "uploadId": upload_id,
        "status": "Processing",
        "scheduledOn": None,
        "accounts": [
            {
                "accountId": account, "platform": "directory", "status": "Processing", "externalId": None, "errorCode": None,
                "errorMessage": None,
            }
            for account in accounts
        ],
    }  # fmt: skip


@pytest.mark.composed
async def test_a_scheduled_upload_waits_until_it_is_dispatched(api: Upload24) -> None:
    # T-21, T-22
    first, second = api.gateway.accounts
    upload_id = await api.uploaded(scheduledOn=LATER.isoformat())
    assert await statuses(api, upload_id) == ("Scheduled", ["Scheduled", "Scheduled"])
    assert (await api.status(upload_id))["scheduledOn"] == LATER.strftime("%Y-%m-%dT%H:%M:%SZ")

    await api.changed(upload_id, first, 1, "scheduled", next_attempt_at=LATER)
    api.gateway.clock.offset = timedelta(days=4)
    assert await statuses(api, upload_id) == ("Scheduled", ["Scheduled", "Scheduled"])

    await api.changed(upload_id, second, 2, "dispatching")
    assert await statuses(api, upload_id) == ("Processing", ["Scheduled", "Processing"])


async def test_internal_states_never_leak(api: Upload24) -> None:
    # T-22
    [account] = api.gateway.accounts[:1]
    upload_id = await api.uploaded(accounts=[account])
    for sequence, status in enumerate(("scheduled", "dispatching", "retrying", "dispatching", "retrying"), start=1):
        await api.changed(upload_id, account, sequence, status, attempts=sequence, **FAILED)
        shown = await api.status(upload_id)
        assert shown["status"] == shown["accounts"][0]["status"] == "Processing"
        assert (shown["accounts"][0]["errorCode"], shown["accounts"][0]["errorMessage"]) == (None, None)
        for text in (str(shown), str(await api.get("/uploads", auth="bearer"))):
            assert "dispatching" not in text.lower()
            assert "retrying" not in text.lower()


async def test_a_confirmed_publication_is_uploaded_with_its_external_id(api: Upload24) -> None:
    # T-12, T-23, T-29
    first, second = api.gateway.accounts
    upload_id = await api.uploaded()
    await api.changed(upload_id, first, 3, "published", external_id="video-1", attempts=1)
    assert await statuses(api, upload_id) == ("Processing", ["Uploaded", "Processing"])
    await api.changed(upload_id, second, 3, "published", external_id="video-2", attempts=1)
    assert await statuses(api, upload_id) == ("Uploaded", ["Uploaded", "Uploaded"])
    shown = await api.status(upload_id)
    assert [account["externalId"] for account in shown["accounts"]] == ["video-1", "video-2"]


async def test_a_failure_is_told_per_account(api: Upload24) -> None:
    # T-12, T-24
    first, second = api.gateway.accounts
    upload_id = await api.uploaded()
    await api.changed(upload_id, first, 3, "failed", attempts=2, **FAILED)
    assert await statuses(api, upload_id) == ("Processing", ["Failed", "Processing"])
    await api.changed(upload_id, second, 3, "published", external_id="x")
    assert await statuses(api, upload_id) == ("Failed", ["Failed", "Uploaded"])
    failed, uploaded = (await api.status(upload_id))["accounts"]
    assert (failed["errorCode"], failed["errorMessage"]) == ("destination_rejected", "The destination says no.")
    assert (uploaded["errorCode"], uploaded["errorMessage"]) == (None, None)


@pytest.mark.parametrize("is_scheduled", [False, True])
async def test_the_aggregate_of_every_mixture(api: Upload24, is_scheduled: bool) -> None:
    # T-24, 5.4.20: and the filter finds exactly what the status says
    expected = {}
    changes = {"scheduledOn": LATER.isoformat()} if is_scheduled else {}
    for mixture in product(get_args(Status), repeat=2):
        upload_id = (await (await api.form(api.fields(**changes))).json())["uploadId"]
        for account, status in zip(api.gateway.accounts, mixture, strict=True):
            await api.changed(upload_id, account, 1, status)
        expected[upload_id] = aggregate(mixture, is_scheduled)
        assert (await api.status(upload_id))["status"] == expected[upload_id], mixture
    for status in ("Scheduled", "Processing", "Uploaded", "Failed"):
        listed = await api.get("/uploads", auth="bearer", params={"status": status, "limit": "100"})
        found = {upload["uploadId"] for upload in listed["uploads"]}
        assert found == {upload_id for upload_id, shown in expected.items() if shown == status}


def aggregate(mixture: tuple[str, ...], is_scheduled: bool) -> str:
    busy = {"dispatching", "retrying"} if is_scheduled else {"dispatching", "retrying", "scheduled"}
    if busy & set(mixture):
        return "Processing"
    if "scheduled" in mixture:
        return "Processing" if "published" in mixture else "Scheduled"
    return "Failed" if "failed" in mixture else "Uploaded"


async def test_the_newest_step_counts_in_whatever_order_it_is_heard(api: Upload24) -> None:
    # T-12
    [account] = api.gateway.accounts[:1]
    upload_id = await api.uploaded(accounts=[account])
    steps = [
        api.change(upload_id, account, 1, "scheduled"),
        api.change(upload_id, account, 2, "dispatching"),
        api.change(upload_id, account, 3, "retrying", attempts=1, **FAILED),
        api.change(upload_id, account, 4, "published", external_id="x", attempts=2),
    ]
    for step in (steps[1], steps[0], steps[3], steps[2], steps[3], steps[0]):
        await api.gateway.handle(step)
    assert await statuses(api, upload_id) == ("Uploaded", ["Uploaded"])
    assert await api.quota(account) == (1, 0)


async def test_a_rejected_file_fails_everywhere(api: Upload24) -> None:
    # T-24
    upload_id = await api.uploaded()
    about = api.gateway.about(upload_id)
    await api.gateway.handle(UploadRejected(**about, version=Stage.CLOSED, code="infected", message="Eicar"))

    shown = await api.status(upload_id)

    assert shown["status"] == "Failed"
    assert {account["errorCode"] for account in shown["accounts"]} == {"upload_rejected"}
    await api.changed(upload_id, api.gateway.accounts[0], 1, "scheduled")
    assert (await api.status(upload_id))["status"] == "Failed"


async def test_a_publication_of_an_unlinked_account_is_still_told(api: Upload24) -> None:
    # T-12
    account = api.gateway.accounts[0]
    upload_id = await api.uploaded(accounts=[account])
    await api.gateway.call("DELETE", f"/platform/v1/accounts/{account}")
    await api.changed(upload_id, account, 2, "failed", error_code="account_removed", error_message="It was removed.")
    [shown] = (await api.status(upload_id))["accounts"]
    assert (shown["accountId"], shown["errorCode"]) == (account, "account_removed")


async def test_ids_that_nobody_was_given_are_not_found(api: Upload24) -> None:
    # T-12, 5.1.1, 5.1.3
    await refused(await api.send("GET", f"/api/upload/{uuid4()}/status"), 404, "upload_not_found")
    assert (await api.send("GET", "/api/upload/id/status")).status == 405  # a MediaLab address, and no GET
    for path in ("remote", "blob", "x", "%00", "🎬", "0" * 36, f"{uuid4()}x", uuid4().hex):
        response = await api.send("GET", f"/api/upload/{path}/status")
        assert response.status == 404
        assert response.content_type == "application/problem+json"
    upload_id = await api.uploaded()
    assert (await api.status(upload_id.upper()))["uploadId"] == upload_id


# ---------------------------------------------------------------- history


async def test_the_history_is_read_page_by_page_newest_first(api: Upload24) -> None:
    # T-13
    made = [(await (await api.form(api.fields())).json())["uploadId"] for _ in range(5)]

    pages, cursor = [], ""
    while cursor is not None:
        query = {"limit": "2", **({"cursor": cursor} if cursor else {})}
        page = await api.get("/uploads", auth="bearer", params=query)
        pages.append([upload["uploadId"] for upload in page["uploads"]])
        cursor = page["nextCursor"]

    assert [len(page) for page in pages] == [2, 2, 1]
    assert [upload_id for page in pages for upload_id in page] == list(reversed(made))


async def test_an_entry_of_the_history_says_what_it_is(api: Upload24) -> None:
    # T-13
    upload_id = await api.uploaded(title="A title", fileName="a.mp4")
    [entry] = (await api.get("/uploads", auth="bearer"))["uploads"]
    assert entry == {
        **await api.status(upload_id), "title": "A title", "fileName": "a.mp4", "fileSize": 2012, "contentType": "video/mp4",
        "createdAt": entry["createdAt"],
    }  # fmt: skip
    assert abs(datetime.fromisoformat(entry["createdAt"]) - datetime.now(UTC)) < timedelta(hours=1)


@pytest.mark.composed
async def test_the_history_is_filtered_by_account_and_time(api: Upload24) -> None:
    # T-13
    first, second = api.gateway.accounts
    now = datetime.now(UTC)
    of_first = await api.uploaded(accounts=[first])
    api.gateway.clock.offset = timedelta(days=10)
    of_both = (await (await api.form(api.fields())).json())["uploadId"]
    between = (now + timedelta(days=5)).isoformat()

    async def found(**query: Any) -> set[str]:
        page = await api.get("/uploads", auth="bearer", params=query)
        return {upload["uploadId"] for upload in page["uploads"]}

    assert await found(account=first) == {of_first, of_both}
    assert await found(account=second) == {of_both}
    assert await found(**{"from": between}) == {of_both}
    assert await found(to=between) == {of_first}
    assert await found(**{"from": between, "account": first, "status": "Processing"}) == {of_both}
    assert await found(**{"from": between, "to": between}) == set()
    assert await found(account="account_" + "0" * 32) == set()


async def test_a_question_that_is_none_is_refused(api: Upload24) -> None:
    # T-13
    wrong = [
        {"limit": "0"}, {"limit": "101"}, {"limit": "x"}, {"cursor": "x"}, {"cursor": "🎬"}, {"cursor": "a" * 121},
        {"status": "Dispatching"}, {"status": "scheduled"}, {"account": "x"}, {"account": "account_123"}, {"from": "yesterday"},
        {"from": "2026-01-01"}, {"to": "5"}, {"surprise": "1"}, {"since": "2026-01-01T00:00:00Z"},
    ]  # fmt: skip
    for query in wrong:
        response = await api.send("GET", "/uploads", auth="bearer", params=query)
        assert response.status == 400, query
        assert set(await response.json()) == {"error"}


async def test_the_platform_shows_it_like_any_upload_without_a_public_address(api: Upload24) -> None:
    upload_id = await api.uploaded()
    await api.gateway.complete(upload_id, size_bytes=2012)
    await api.gateway.process(upload_id)
    await api.changed(upload_id, api.gateway.accounts[0], 1, "published", external_id="x")

    shown = await (await api.gateway.call("GET", f"/platform/v1/uploads/{upload_id}")).json()

    assert (shown["dialect"], shown["state"], shown["file"]["url"]) == ("upload24", "READY", None)
    types = [entry["type"] for entry in shown["timeline"]]
    assert "publication.changed.v1" in types
    listed = await (await api.gateway.call("GET", "/platform/v1/uploads", params={"dialect": "upload24"})).json()
    assert [upload["id"] for upload in listed["uploads"]] == [upload_id]
    assert (await api.gateway.http.get(f"/public/{upload_id}.mp4")).status == 404

"""Upload24: quota is charged per account, exactly, whatever happens and in whatever order it is heard."""

from collections import Counter
from random import Random

import pytest

from contracts.events import Stage, UploadAborted, UploadExpired, UploadRejected
from tests.contract.dialects.conftest import Gateway
from tests.contract.dialects.upload24 import Upload24, refused, together


@pytest.fixture
def api(gateway: Gateway) -> Upload24:
    return Upload24(gateway)


async def test_each_account_of_an_upload_costs_a_unit_of_its_own(api: Upload24) -> None:
    # T-19
    first, second = await api.linked(quota_limit=2, count=2)
    upload_id = await api.uploaded(accounts=[first, second])
    await api.presign(accounts=[first])
    assert (await api.quota(first), await api.quota(second)) == ((0, 2), (0, 1))

    error = await refused(
        await api.send("POST", "/api/upload/presign-put", json=api.body(accounts=[second, first])), 403, "quota_exceeded"
    )

    assert error["details"] == {"accounts": [first]}
    assert (await api.quota(first), await api.quota(second)) == ((0, 2), (0, 1))
    await api.changed(upload_id, first, 2, "published")
    await api.changed(upload_id, second, 2, "failed", error_code="x", error_message="x")
    assert (await api.quota(first), await api.quota(second)) == ((1, 1), (0, 0))


async def test_fifty_at_once_get_exactly_what_is_left(api: Upload24) -> None:
    # T-19
    narrow, wide = await api.linked(quota_limit=20, count=2)
    bodies = [api.body(accounts=pair) for pair in ([narrow, wide], [wide, narrow])] * 25
    calls = [api.send("POST", "/api/upload/presign-put", json=body) for body in bodies]

    answers = await together(*calls)

    assert Counter(response.status for response in answers) == {200: 20, 403: 30}
    assert (await api.quota(narrow), await api.quota(wide)) == ((0, 20), (0, 20))
    sessions = [await response.json() for response in answers if response.status == 200]
    await together(*(api.abort(session["sessionToken"]) for session in sessions[:5]))
    assert await api.quota(narrow) == (0, 15)
    forms = await together(*(api.form([("title", "x"), ("accounts", narrow)]) for _ in range(30)))
    assert Counter(response.status for response in forms) == {201: 5, 403: 25}
    assert len(await api.staged()) == 5


async def test_a_unit_is_settled_once_and_released_once(api: Upload24) -> None:
    # T-19
    published, failed = await api.linked(count=2)
    upload_id = await api.uploaded(accounts=[published, failed])
    for _ in range(3):
        await api.changed(upload_id, published, 2, "published")
        await api.changed(upload_id, failed, 2, "failed", error_code="x", error_message="x")
        await api.changed(upload_id, failed, 1, "retrying")
    assert (await api.quota(published), await api.quota(failed)) == ((1, 0), (0, 0))


@pytest.mark.parametrize("event", [UploadRejected, UploadAborted, UploadExpired])
async def test_an_upload_without_a_file_costs_nothing(api: Upload24, event: type) -> None:
    # T-19
    [account] = await api.linked(quota_limit=1)
    upload_id = await api.uploaded(accounts=[account])
    more = {"code": "infected", "message": "x"} if event is UploadRejected else {}
    more |= {"reason": "client"} if event is UploadAborted else {}
    for _ in range(2):
        await api.gateway.handle(event(**api.gateway.about(upload_id), version=Stage.CLOSED, **more))
    await api.changed(upload_id, account, 2, "failed", error_code="upload_rejected", error_message="x")
    assert await api.quota(account) == (0, 0)
    assert (await api.status(upload_id))["status"] == "Failed"
    await api.uploaded(accounts=[account])


async def test_used_units_are_the_published_ones_after_any_history(api: Upload24) -> None:
    # T-19
    random = Random(24)
    accounts = await api.linked(quota_limit=100, count=4)
    fields = [("title", "x"), *(("accounts", account) for account in accounts)]
    uploads = [(await (await api.form(fields)).json())["uploadId"] for _ in range(10)]
    events = []
    expected: Counter[str] = Counter()
    for upload_id in uploads:
        for account in accounts:
            end = random.choice(("published", "failed"))
            expected[account] += end == "published"
            steps = [(1, "scheduled"), (2, "dispatching"), (3, "retrying"), (4, "dispatching"), (5, end)]
            events += [api.change(upload_id, account, sequence, status) for sequence, status in steps * 2]
    random.shuffle(events)

    await together(*(api.gateway.handle(*events[start::4]) for start in range(4)))

    assert {account: await api.quota(account) for account in accounts} == {a: (expected[a], 0) for a in accounts}


async def test_a_limit_may_change_at_any_time(api: Upload24) -> None:
    # T-19
    [account] = await api.linked(quota_limit=1)
    await api.presign(accounts=[account])
    body = api.body(accounts=[account])
    await refused(await api.send("POST", "/api/upload/presign-put", json=body), 403, "quota_exceeded")
    path = f"/platform/v1/accounts/{account}"
    assert (await api.gateway.call("PATCH", path, json={"quota_limit": None})).status == 200
    await api.presign(accounts=[account])
    assert (await api.gateway.call("PATCH", path, json={"quota_limit": 0})).status == 200
    await refused(await api.send("POST", "/api/upload/presign-put", json=body), 403, "quota_exceeded")
    assert await api.quota(account) == (0, 2)

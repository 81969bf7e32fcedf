"""Uploadcare's webhooks: who is told, what, and how often. Part 2.4 of the acceptance table."""

import itertools
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from contracts.events import (
    Event,
    FileDeleted,
    FileExpired,
    ProcessingCompleted,
    ProcessingFailed,
    Stage,
    UploadAborted,
    UploadRegistered,
    UploadRejected,
)
from contracts.ids import UploadId
from libs.runtime.secret import SecretBox
from services.gateway.domain.webhook import News
from services.gateway.store import HookStore
from tests.contract.dialects.conftest import BASE_URL, SECRET_KEY, Gateway
from tests.contract.dialects.uploadcare_project import ProjectKeys, add_project

URL = "https://receiver.example.com/hook"


@pytest_asyncio.fixture
async def keys(gateway: Gateway) -> ProjectKeys:
    return await add_project(gateway)


async def subscribe(keys: ProjectKeys) -> dict[str, int]:
    """To everything; event → id of the webhook."""
    return {news.value: (await keys.hook(news.value))["id"] for news in News}


async def news_of(keys: ProjectKeys, upload_id: UploadId) -> list[str]:
    return [told.name for told in await keys.told() if told.upload_id == upload_id]


def failed(keys: ProjectKeys, upload_id: UploadId) -> ProcessingFailed:
    return ProcessingFailed(
        **keys.gateway.about(upload_id), version=Stage.PROCESSED, code="unreadable_media", message="It is no image."
    )


def processed(keys: ProjectKeys, upload_id: UploadId) -> ProcessingCompleted:
    return ProcessingCompleted(
        **keys.gateway.about(upload_id), version=Stage.PROCESSED, mime_type="image/jpeg", completed_at=datetime.now(UTC)
    )


# ---------------------------------------------------------------- management


async def test_a_webhook_is_made_listed_changed_and_deleted(keys: ProjectKeys) -> None:
    made = await keys.hook("file.stored", signing_secret="7kMVZivndx0ErgvhRKAr")

    assert made == {
        "id": made["id"], "project": made["project"], "created": made["created"], "updated": made["created"],
        "event": "file.stored", "target_url": URL, "is_active": True, "signing_secret": "7kMVZivndx0ErgvhRKAr",
        "version": "0.7",
    }  # fmt: skip
    assert isinstance(made["project"], int)
    assert await keys.json("GET", "/webhooks/") == [made]

    changed = await keys.json("PUT", f"/webhooks/{made['id']}/", json={"is_active": False, "event": "file.deleted"})

    assert {**made, "updated": changed["updated"], "is_active": False, "event": "file.deleted"} == changed
    assert changed["updated"] > made["updated"]
    assert (await keys.json("PUT", f"/webhooks/{made['id']}/", json={"signing_secret": ""}))["signing_secret"] is None
    assert (await keys.call("DELETE", f"/webhooks/{made['id']}/")).status == 204
    assert await keys.json("GET", "/webhooks/") == []
    await keys.refused(404, "DELETE", f"/webhooks/{made['id']}/")


async def test_a_webhook_may_come_urlencoded(keys: ProjectKeys) -> None:
    body = {"target_url": URL, "event": "file.uploaded", "is_active": "false", "signing_secret": "Zoë"}

    made = await keys.json("POST", "/webhooks/", status=201, data=body)

    assert (made["event"], made["is_active"], made["signing_secret"]) == ("file.uploaded", False, "Zoë")


async def test_unsubscribing_deletes_all_webhooks_of_an_address(keys: ProjectKeys) -> None:
    await keys.hook("file.stored")
    await keys.hook("file.deleted")
    other = await keys.hook("file.deleted", f"{URL}2")

    assert (await keys.call("DELETE", "/webhooks/unsubscribe/", json={"target_url": URL})).status == 204
    assert await keys.json("GET", "/webhooks/") == [other]
    await keys.refused(404, "DELETE", "/webhooks/unsubscribe/", json={"target_url": URL})
    await keys.refused(400, "DELETE", "/webhooks/unsubscribe/", json={})


async def test_an_address_is_told_an_event_once(keys: ProjectKeys) -> None:
    await keys.hook("file.stored")
    second = await keys.hook("file.deleted")

    again = await keys.json("POST", "/webhooks/", status=400, json={"event": "file.stored", "target_url": URL})
    changed = await keys.json("PUT", f"/webhooks/{second['id']}/", status=400, json={"event": "file.stored"})

    assert again["non_field_errors"] == ["This project is already subscribed on this event."]
    assert changed == again
    other = await add_project(keys.gateway)
    await other.hook("file.stored")


async def test_a_webhook_that_is_not_as_documented_is_refused(keys: ProjectKeys) -> None:
    hook = await keys.hook("file.stored")
    wrong: tuple[dict[str, object], ...] = (
        {"target_url": "x"}, {"target_url": "ftp://example.com/"}, {"target_url": "http://127.0.0.1/"}, {"target_url": ""},
        {"target_url": "http://[::ffff:10.0.0.1]/"}, {"target_url": "https://u:p@example.com/"}, {"event": "file.eaten"},
        {"target_url": f"https://example.com/{'x' * 255}"}, {"signing_secret": "x" * 33}, {"is_active": "maybe"},
        {"version": "0.5"}, {"target_url": 5},
    )  # fmt: skip
    for change in wrong:
        await keys.refused(400, "POST", "/webhooks/", json={"target_url": f"{URL}2", **change})
        await keys.refused(400, "PUT", f"/webhooks/{hook['id']}/", json=change)
    assert await keys.refused(400, "POST", "/webhooks/", json={}) == "`target_url` is missing."
    for body in (b"{", b"[]", b'"x"', b"target_url=%00"):
        await keys.refused(400, "POST", "/webhooks/", data=body, headers={"Content-Type": "application/json"})
    for path in ("/webhooks/x/", "/webhooks/99999999999999999999/", "/webhooks/0/", "/webhooks/-1/"):
        await keys.refused(404, "PUT", path, json={"is_active": False})
    assert await keys.json("GET", "/webhooks/") == [hook]


async def test_a_project_has_at_most_100_webhooks(keys: ProjectKeys) -> None:
    for n in range(100):
        await keys.hook("file.stored", f"{URL}{n}")

    assert "100" in await keys.refused(400, "POST", "/webhooks/", json={"target_url": URL})


async def test_signing_secrets_lie_sealed(keys: ProjectKeys) -> None:
    await keys.hook("file.stored", signing_secret="7kMVZivndx0ErgvhRKAr")
    async with keys.gateway.service.outbox.database.connection() as connection:
        sealed = await connection.fetchval(
            "SELECT signing_secret_sealed FROM project_webhooks WHERE project_id = $1", keys.project.id
        )

    assert SecretBox(SECRET_KEY).open(sealed) == "7kMVZivndx0ErgvhRKAr"
    assert "7kMV" not in sealed


# ---------------------------------------------------------------- what is told


async def test_an_uploaded_file_is_told_in_the_published_form(keys: ProjectKeys) -> None:
    hook = await keys.hook("file.uploaded", signing_secret="7kMVZivndx0ErgvhRKAr")
    upload_id = await keys.file("Zoë.jpg", metadata={"a": "b"})

    [told] = await keys.told()

    body = json.loads(told.body)
    assert body == {
        "initiator": {
            "type": "api",
            "detail": {"request_id": body["initiator"]["detail"]["request_id"], "addon_name": None, "source_file_uuid": None},
        },
        "hook": {
            "id": hook["id"], "project_id": hook["project"], "project_pub_key": keys.project.public_key, "target": URL,
            "event": "file.uploaded", "is_active": True, "version": "0.7", "created_at": hook["created"],
            "updated_at": hook["updated"],
        },
        "data": await keys.json("GET", f"/files/{upload_id}/"),
        "file": f"{BASE_URL}/{upload_id}/Zo.jpg",
    }  # fmt: skip
    assert body["data"]["is_ready"] is True
    assert (told.url, told.format, told.name, told.tenant_id) == (URL, "uploadcare", "file.uploaded", keys.gateway.tenant.id)
    assert told.secret_encrypted is not None
    assert SecretBox(SECRET_KEY).open(told.secret_encrypted) == "7kMVZivndx0ErgvhRKAr"


async def test_a_stored_upload_is_told_as_uploaded_and_stored(keys: ProjectKeys) -> None:
    await subscribe(keys)
    upload_id = await keys.file(stored=True)

    assert await news_of(keys, upload_id) == ["file.uploaded", "file.stored"]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_a_file_is_told_once_in_whatever_order_its_events_come(keys: ProjectKeys, order: Sequence[int]) -> None:
    await subscribe(keys)
    upload_id = await keys.register(stored=True)
    _stored, completed = keys.gateway.completion(upload_id, size_bytes=1000, content_type="image/jpeg")
    events: list[Event] = [completed, keys.inspection(upload_id), processed(keys, upload_id)]

    await keys.gateway.handle(*(events[place] for place in order))
    await keys.gateway.handle(*events)

    told = await keys.told()
    assert [one.name for one in told] == ["file.uploaded", "file.stored"]
    for one in told:
        data = json.loads(one.body)["data"]
        assert (data["is_ready"], data["size"], data["content_info"]["image"]["width"]) == (True, 1000, 640)


async def test_a_file_that_could_not_be_inspected_is_told_too(keys: ProjectKeys) -> None:
    await subscribe(keys)
    upload_id = await keys.register()
    await keys.gateway.complete(upload_id)
    assert await news_of(keys, upload_id) == []

    await keys.gateway.handle(failed(keys, upload_id))

    assert await news_of(keys, upload_id) == ["file.uploaded"]


async def test_a_file_stored_later_is_told_then_and_once(keys: ProjectKeys) -> None:
    await subscribe(keys)
    one, other = await keys.file(), await keys.file()

    await keys.json("PUT", f"/files/{one}/storage/")
    await keys.json("PUT", f"/files/{one}/storage/")
    await keys.json("PUT", "/files/storage/", json=[str(one), str(other)])

    assert await news_of(keys, one) == await news_of(keys, other) == ["file.uploaded", "file.stored"]
    assert all(json.loads(told.body)["data"]["datetime_stored"] for told in await keys.told() if told.name == "file.stored")


async def test_a_file_stored_before_it_is_inspected_is_told_after_it(keys: ProjectKeys) -> None:
    await subscribe(keys)
    upload_id = await keys.register()
    await keys.json("PUT", f"/files/{upload_id}/storage/")
    await keys.json("PUT", f"/files/{upload_id}/metadata/a/", status=201, json="b")
    assert await news_of(keys, upload_id) == []

    await keys.gateway.complete(upload_id)
    await keys.gateway.handle(keys.inspection(upload_id))

    assert await news_of(keys, upload_id) == ["file.uploaded", "file.stored"]


@pytest.mark.parametrize(("event", "initiator"), [(FileDeleted, "api"), (FileExpired, "system")])
async def test_a_removed_file_is_told(keys: ProjectKeys, event: type[FileDeleted | FileExpired], initiator: str) -> None:
    await keys.hook("file.deleted")
    upload_id = await keys.file()
    if event is FileDeleted:
        await keys.json("DELETE", f"/files/{upload_id}/storage/")
        assert await keys.told() == []

    removed = event(**keys.gateway.about(upload_id), version=Stage.REMOVED)
    await keys.gateway.handle(removed, removed)

    [told] = await keys.told()
    body = json.loads(told.body)
    assert (body["initiator"]["type"], body["data"]["uuid"]) == (initiator, str(upload_id))
    assert body["data"]["datetime_removed"] is not None


async def test_an_infected_file_is_told_and_nothing_else_of_it(keys: ProjectKeys) -> None:  # U-45
    await subscribe(keys)
    infected, too_large = await keys.register(), await keys.register()
    for upload_id, code in ((infected, "infected"), (too_large, "too_large")):
        await keys.gateway.handle(
            UploadRejected(**keys.gateway.about(upload_id), version=Stage.CLOSED, code=code, message="Eicar-Test")
        )

    assert await news_of(keys, infected) == ["file.infected"]
    assert await news_of(keys, too_large) == []
    [told] = await keys.told()
    data = json.loads(told.body)["data"]
    assert data["appdata"]["uc_clamav_virus_scan"]["data"] == {"infected": True, "infected_with": "Eicar-Test"}
    assert (data["is_ready"], data["original_file_url"]) == (False, None)


async def test_an_upload_that_came_to_nothing_is_not_told(keys: ProjectKeys) -> None:
    await subscribe(keys)
    upload_id = await keys.register()
    await keys.json("DELETE", f"/files/{upload_id}/")
    await keys.gateway.handle(UploadAborted(**keys.gateway.about(upload_id), version=Stage.CLOSED, reason="client"))

    assert await news_of(keys, upload_id) == []


async def test_changed_metadata_is_told_with_what_was_before(keys: ProjectKeys) -> None:
    await keys.hook("file.info_updated")
    path = f"/files/{await keys.file(metadata={'a': 'b'})}/metadata"

    await keys.json("PUT", f"{path}/c/", status=201, json="d")
    await keys.json("PUT", f"{path}/c/", json="d")  # nothing new
    await keys.call("DELETE", f"{path}/a/")

    bodies = [json.loads(told.body) for told in await keys.told()]
    seen: list[tuple[Any, Any]] = [(body["previous_values"], body["data"]["metadata"]) for body in bodies]
    assert seen == [
        ({"metadata": {"a": "b"}}, {"a": "b", "c": "d"}),
        ({"metadata": {"a": "b", "c": "d"}}, {"c": "d"}),
    ]


async def test_each_subscription_is_told_and_inactive_or_foreign_ones_are_not(keys: ProjectKeys) -> None:
    first, second = await keys.hook("file.uploaded"), await keys.hook("file.uploaded", f"{URL}2")
    await keys.hook("file.uploaded", f"{URL}3", is_active=False)
    await (await add_project(keys.gateway)).hook("file.uploaded")

    await keys.file()

    told = await keys.told()
    assert [json.loads(one.body)["hook"]["id"] for one in told] == [first["id"], second["id"]]
    assert len({one.webhook_id for one in told}) == 2


async def test_without_webhooks_nobody_is_told(keys: ProjectKeys) -> None:
    upload_id = await keys.file(stored=True)
    await keys.json("DELETE", f"/files/{upload_id}/storage/")

    assert await keys.told() == []


async def test_uploads_of_no_project_cost_no_query_for_webhooks(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_args: object) -> None:
        raise AssertionError("nobody may ask for webhooks here")

    monkeypatch.setattr(HookStore, "listening", never)
    created = await (await gateway.call("POST", "/v2/media/file", json={"name": "a", "contentType": "a/b", "size": 9})).json()
    [registered] = await gateway.emitted(UploadRegistered)

    await gateway.complete(registered.upload_id)
    await gateway.process(registered.upload_id)
    await gateway.remove(registered.upload_id)

    assert created["success"]

"""Which endpoints are told what, in which words and how it is signed."""

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from standardwebhooks.webhooks import WebhookVerificationError

from contracts.events import (
    Event,
    FileDeleted,
    FileExpired,
    ProcessingFailed,
    Stage,
    UploadAborted,
    UploadExpired,
    WebhookPingRequested,
)
from contracts.ids import TenantId, UploadId
from libs.messaging.dispatch import consumer
from libs.messaging.port import Delivery, Retry
from libs.outbox.unit_of_work import Outbox, envelop
from services.delivery.handlers import HANDLERS
from tests.integration.services.delivery.endpoints.scene import (
    ACCOUNT,
    NEW,
    OLD,
    Endpoint,
    changes,
    closed,
    happened_at,
    published,
    rejected,
    webhooks,
)
from tests.integration.services.delivery.scene import (
    Received,
    an_upload,
    completed,
    happen,
    processed,
    ready,
    receiver,
    sender,
    status,
)

ID = UploadId(UUID("44444444-4444-4444-8444-444444444444"))


def whole_lives(upload_id: UploadId) -> list[Event]:
    """Every event that may be told, as if one upload could have them all."""
    return [
        completed(upload_id),
        rejected(upload_id),
        closed(UploadAborted, upload_id, reason="client"),
        closed(UploadExpired, upload_id),
        processed(upload_id),
        closed(ProcessingFailed, upload_id, Stage.PROCESSED, code="unreadable_media", message="No."),
        closed(FileDeleted, upload_id, Stage.REMOVED),
        closed(FileExpired, upload_id, Stage.REMOVED),
        published(upload_id, "scheduled", 1),
        published(upload_id, "published", 2, external_id="v1"),
        published(upload_id, "failed", 3, error_code="rejected", error_message="No."),
    ]


def told(calls: list[Received], name: str = "type") -> list[str]:
    return sorted(json.loads(call.body)[name] for call in calls)


async def test_every_end_is_told_once_in_the_standard_words(outbox: Outbox) -> None:
    async with receiver() as receiver_, sender(outbox) as sender_:
        endpoint = Endpoint(receiver_.url)
        await happen(outbox, [endpoint.configured(), *whole_lives(ID), *whole_lives(ID)])
        while await sender_.once():
            pass

    assert told(receiver_.received) == sorted([
        "upload.completed", "upload.rejected", "upload.aborted", "upload.expired", "upload.processed",
        "upload.processing_failed", "file.deleted", "file.expired", "publication.published", "publication.failed",
    ])  # fmt: skip
    bodies = {body["type"]: body for body in (call.verify(NEW) for call in receiver_.received)}
    assert bodies["upload.completed"]["data"]["upload"] == {
        "id": str(ID), "version": 3, "state": "COMPLETED",
        "file_name": None, "size_bytes": 1234, "content_type": None, "etag": "e",
    }  # fmt: skip
    assert bodies["upload.rejected"]["data"]["upload"]["error"] == {"code": "too_large", "message": "It has 11 bytes."}
    assert "key" not in bodies["upload.processed"]["data"]["upload"]["renditions"][0]
    assert bodies["publication.published"]["data"]["publication"]["account_id"] == f"account_{ACCOUNT.hex}"
    assert all(datetime.fromisoformat(body["timestamp"]).tzinfo is not None for body in bodies.values())


async def test_the_steps_name_the_endpoint_and_what_it_is_told(outbox: Outbox) -> None:
    async with receiver(status(500), status(200)) as receiver_, sender(outbox) as sender_:
        endpoint = Endpoint(receiver_.url)
        await happen(outbox, [endpoint.configured(), completed(ID)])
        while await sender_.once():
            pass

    said = await changes(outbox)
    assert {(change.endpoint_id, change.event, change.upload_id) for change in said} == {(endpoint.id, "upload.completed", ID)}
    assert [(c.status, c.response_status, c.response_excerpt) for c in said] == [
        ("pending", None, None),
        ("retrying", 500, "thank you"),
        ("delivered", 200, "thank you"),
    ]


async def test_an_endpoint_hears_only_what_it_asked_for(outbox: Outbox) -> None:
    async with receiver() as receiver_, sender(outbox) as sender_:
        endpoint = Endpoint(receiver_.url, news=("upload.completed", "publication.failed"))
        await happen(outbox, [endpoint.configured(), *whole_lives(ID)])
        while await sender_.once():
            pass

    assert told(receiver_.received) == ["publication.failed", "upload.completed"]


async def test_another_tenant_hears_nothing_and_without_endpoints_nothing_is_made(outbox: Outbox) -> None:
    other = Endpoint("https://example.com/", tenant_id=TenantId(uuid4()))
    await happen(outbox, [other.configured(), *whole_lives(ID)])
    assert await webhooks(outbox) == []
    assert await changes(outbox) == []


async def test_two_endpoints_are_told_each_under_its_own_id(outbox: Outbox) -> None:
    first, second = Endpoint("https://one.example/"), Endpoint("https://two.example/")
    await happen(outbox, [first.configured(), second.configured(), completed(ID)])
    assert len({webhook["id"] for webhook in await webhooks(outbox)}) == 2


async def test_the_callback_of_an_upload_goes_its_own_way(outbox: Outbox) -> None:
    upload_id = an_upload()
    await happen(outbox, [Endpoint("https://one.example/").configured(), *ready(upload_id, "https://two.example/")])
    assert [(w["url"], w["event"]) for w in await webhooks(outbox) if w["endpoint_id"] is None] == [
        ("https://two.example/", None)
    ]
    assert sorted(w["event"] for w in await webhooks(outbox) if w["endpoint_id"]) == ["upload.completed", "upload.processed"]


# ------------------------------------------------------------ when


async def test_what_happened_before_an_endpoint_was_there_is_not_told_however_late_it_comes(outbox: Outbox) -> None:
    now = datetime.now(UTC)
    endpoint = Endpoint("https://example.com/", listens_since=now)
    await happen(outbox, [endpoint.configured()])
    await happened_at(outbox, completed(ID), now - timedelta(seconds=1))
    assert await webhooks(outbox) == []

    await happened_at(outbox, processed(ID), now + timedelta(seconds=1))
    assert [webhook["event"] for webhook in await webhooks(outbox)] == ["upload.processed"]


@pytest.mark.parametrize("change", [{"removed": True, "secrets": ()}, {"enabled": False}], ids=["removed", "disabled"])
async def test_a_removed_or_disabled_endpoint_is_told_nothing_whatever_the_order(
    outbox: Outbox, change: dict[str, Any]
) -> None:
    endpoint = Endpoint("https://example.com/")
    ended = endpoint.changed(**change)
    await happen(outbox, [ended.configured(), endpoint.configured(), completed(ID)])
    assert await webhooks(outbox) == []


@pytest.mark.parametrize(
    ("change", "error"),
    [({"removed": True, "secrets": ()}, "endpoint_removed"), ({"enabled": False}, "endpoint_disabled")],
    ids=["removed", "disabled"],
)
async def test_what_was_still_to_be_sent_ends_unsent(outbox: Outbox, change: dict[str, Any], error: str) -> None:
    async with receiver() as receiver_, sender(outbox) as sender_:
        endpoint = Endpoint(receiver_.url)
        await happen(outbox, [endpoint.configured(), completed(ID), endpoint.changed(**change).configured()])
        assert await sender_.once()
        assert not await sender_.once()

    assert receiver_.received == []
    assert [(c.status, c.error) for c in await changes(outbox)] == [("pending", None), ("failed", error)]


async def test_a_new_address_is_used_at_the_next_attempt(outbox: Outbox) -> None:
    async with receiver(status(500)) as old, receiver() as new, sender(outbox) as sender_:
        endpoint = Endpoint(old.url)
        await happen(outbox, [endpoint.configured(), completed(ID)])
        await sender_.once()
        await happen(outbox, [endpoint.changed(url=new.url, generation=2).configured()])
        assert await sender_.once()

    assert [call.body for call in old.received] == [call.body for call in new.received]
    assert old.received[0].headers["webhook-id"] == new.received[0].headers["webhook-id"]


# ------------------------------------------------------------ signatures


async def test_while_two_secrets_live_either_verifies_and_afterwards_only_the_new_one(outbox: Outbox) -> None:
    async with receiver(status(500)) as receiver_, sender(outbox, seconds=(0, 0, 0, 0)) as sender_:
        endpoint = Endpoint(receiver_.url, secrets=(OLD,))
        await happen(outbox, [endpoint.configured(), completed(ID)])
        await sender_.once()
        rotated = endpoint.changed(secrets=(NEW, OLD))
        await happen(outbox, [rotated.configured()])
        await sender_.once()
        await happen(outbox, [rotated.changed(secrets=(NEW,)).configured()])
        await sender_.once()

    before, both, after = receiver_.received
    assert before.verify(OLD) == both.verify(OLD) == both.verify(NEW) == after.verify(NEW)
    assert len(both.headers["webhook-signature"].split(" ")) == 2
    for call, secret in ((before, NEW), (after, OLD)):
        with pytest.raises(WebhookVerificationError):
            call.verify(secret)


async def test_medialabs_shape_has_its_own_signature_and_ours_over_the_body(outbox: Outbox) -> None:
    async with receiver() as receiver_, sender(outbox) as sender_:
        endpoint = Endpoint(receiver_.url, format="medialab")
        await happen(outbox, [endpoint.configured(), *whole_lives(ID)])
        while await sender_.once():
            pass

    assert told(receiver_.received, "event") == sorted(["file_upload", *["file_transcode", "file_trash", "file_push"] * 2])
    for call in receiver_.received:
        body = call.verify(NEW)
        assert set(body) == {"signature", "id", "event", "api_version", "data"}
        assert body["id"] == call.headers["webhook-id"]
        assert body["data"]["file_id"] == str(ID)
        signed = body["signature"]["timestamp"] + body["signature"]["token"]
        assert body["signature"]["signature"] == hmac.new(NEW.encode(), signed.encode(), hashlib.sha256).hexdigest()
    assert len({json.loads(call.body)["signature"]["token"] for call in receiver_.received}) == len(receiver_.received)


async def test_medialabs_bytes_stay_the_same_until_the_old_secret_is_revoked(outbox: Outbox) -> None:
    async with receiver(status(500)) as receiver_, sender(outbox) as sender_:
        endpoint = Endpoint(receiver_.url, format="medialab", secrets=(OLD,))
        await happen(outbox, [endpoint.configured(), completed(ID)])
        await sender_.once()
        await happen(outbox, [endpoint.changed(secrets=(NEW, OLD)).configured()])
        await sender_.once()

    first, second = receiver_.received
    assert first.body == second.body
    assert second.verify(NEW) == second.verify(OLD)


async def test_no_secret_and_no_address_is_in_what_is_said(outbox: Outbox) -> None:
    await happen(outbox, [Endpoint("https://example.com/hook?token=private").configured(), completed(ID)])
    said = [change.model_dump_json() for change in await changes(outbox)]
    assert said
    assert not any("private" in text or NEW in text for text in said)


# ------------------------------------------------------------ pings


async def test_a_ping_is_a_webhook_that_tells_of_no_upload(outbox: Outbox) -> None:
    async with receiver() as receiver_, sender(outbox) as sender_:
        endpoint = Endpoint(receiver_.url, news=("upload.completed",))
        ping = WebhookPingRequested(delivery_id=uuid4(), endpoint_id=endpoint.id, tenant_id=endpoint.tenant_id)
        await happen(outbox, [endpoint.configured(), ping, ping])
        assert await sender_.once()

    (call,) = receiver_.received
    assert call.headers["webhook-id"] == str(ping.delivery_id)
    body = call.verify(NEW)
    assert (body["type"], body["data"]) == ("ping", {"endpoint_id": str(endpoint.id)})
    assert [(c.event, c.upload_id, c.status) for c in await changes(outbox)] == [
        ("ping", None, "pending"),
        ("ping", None, "delivered"),
    ]


async def test_a_ping_waits_for_its_endpoint(outbox: Outbox) -> None:
    endpoint = Endpoint("https://example.com/")
    ping = WebhookPingRequested(delivery_id=uuid4(), endpoint_id=endpoint.id, tenant_id=endpoint.tenant_id)
    (outcome,) = await consumer(outbox, HANDLERS)([Delivery(envelop(ping, source="test"))])
    assert isinstance(outcome, Retry)

    await happen(outbox, [endpoint.configured(), ping])
    assert [webhook["event"] for webhook in await webhooks(outbox)] == ["ping"]

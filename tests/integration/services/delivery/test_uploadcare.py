"""Webhooks in Uploadcare's words: the gateway wrote the body, the receiver has a secret of its own, or none."""

import hashlib
import hmac
from uuid import uuid4

from contracts.events import DeliveryChanged, WebhookRequested
from contracts.ids import DeliveryId
from libs.outbox.unit_of_work import Outbox
from tests.integration.services.delivery.scene import (
    BOX,
    TENANT,
    TRACEPARENT,
    an_upload,
    attempts,
    configured,
    happen,
    ready,
    receiver,
    rows,
    said,
    sender,
    status,
    webhook,
)

BODY = '{"hook":{"event":"file.uploaded"},"data":{"original_filename":"Zoë.jpg"}}'
SECRET = "7kMVZivndx0ErgvhRKAr"


def requested(url: str, *, secret: str | None = SECRET, webhook_id: DeliveryId | None = None) -> WebhookRequested:
    return WebhookRequested(
        webhook_id=webhook_id or uuid4(), tenant_id=TENANT, upload_id=an_upload(), url=url, format="uploadcare",
        name="file.uploaded", body=BODY, secret_encrypted=None if secret is None else BOX.seal(secret),
    )  # fmt: skip


async def test_the_gateways_bytes_go_out_signed_with_the_receivers_secret(outbox: Outbox) -> None:
    async with receiver() as receiver_, sender(outbox) as sender_:
        asked = requested(receiver_.url)
        await happen(outbox, [asked])
        assert await sender_.once()

    (call,) = receiver_.received
    assert call.body == BODY.encode()
    assert call.headers["x-uc-signature"] == f"v1={hmac.new(SECRET.encode(), BODY.encode(), hashlib.sha256).hexdigest()}"
    assert call.headers["content-type"] == "application/json"
    assert call.headers["webhook-id"] == str(asked.webhook_id)
    assert call.headers["traceparent"].split("-")[1] == TRACEPARENT.split("-")[1]
    assert "webhook-signature" not in call.headers


async def test_without_a_secret_it_is_not_signed(outbox: Outbox) -> None:
    async with receiver() as receiver_, sender(outbox) as sender_:
        await happen(outbox, [configured(), requested(receiver_.url, secret=None)])
        assert await sender_.once()

    (call,) = receiver_.received
    assert "x-uc-signature" not in call.headers
    assert "webhook-signature" not in call.headers


async def test_it_is_retried_and_logged_as_every_webhook_is(outbox: Outbox) -> None:
    async with receiver(status(500), status(200)) as receiver_, sender(outbox) as sender_:
        asked = requested(receiver_.url)
        await happen(outbox, [asked])
        while await sender_.once():
            pass

    assert {call.body for call in receiver_.received} == {BODY.encode()}
    assert [a["response_status"] for a in await attempts(outbox, asked.upload_id)] == [500, 200]
    changes = [e.event() for e in await said(outbox) if e.type == DeliveryChanged.type]
    assert [(c.status, c.attempts) for c in changes if isinstance(c, DeliveryChanged)] == [
        ("pending", 0),
        ("retrying", 1),
        ("delivered", 2),
    ]


async def test_the_same_news_twice_is_one_webhook(outbox: Outbox) -> None:
    async with receiver() as receiver_, sender(outbox) as sender_:
        asked = requested(receiver_.url)
        await happen(outbox, [asked, asked])
        while await sender_.once():
            pass
        await happen(outbox, [asked])
        assert not await sender_.once()

    assert len(receiver_.received) == 1


async def test_an_inner_address_is_not_called(outbox: Outbox) -> None:
    async with receiver() as receiver_, sender(outbox, allow="") as sender_:
        asked = requested(receiver_.url)
        await happen(outbox, [asked])
        await sender_.once()

    assert receiver_.received == []
    assert [a["error"] for a in await attempts(outbox, asked.upload_id)] == ["address_refused"]


async def test_callbacks_still_wait_for_their_tenants_secret_and_are_signed_with_it(outbox: Outbox) -> None:
    upload_id = an_upload()
    async with receiver() as receiver_, sender(outbox) as sender_:
        await happen(outbox, [*ready(upload_id, receiver_.url), requested(receiver_.url)])
        assert await sender_.once()
        assert not await sender_.once()
        await happen(outbox, [configured()])
        assert await sender_.once()

    first, second = receiver_.received
    assert first.body == BODY.encode()
    assert second.verify()["event"] == "upload.completed"
    assert "x-uc-signature" not in second.headers
    assert (await webhook(outbox, upload_id))["format"] == "standard"


async def test_no_secret_lies_there_in_the_clear(outbox: Outbox) -> None:
    await happen(outbox, [requested("https://example.com/hook")])
    (row,) = await rows(outbox, "SELECT sealed_secret FROM webhooks")
    assert SECRET not in row["sealed_secret"]

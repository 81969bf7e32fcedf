"""What receivers see, and what is kept of their answers."""

import json

import pytest
from standardwebhooks.webhooks import WebhookVerificationError

from contracts.events import DeliveryChanged
from libs.outbox.unit_of_work import Outbox
from tests.integration.services.delivery.scene import (
    TRACEPARENT,
    an_upload,
    attempts,
    configured,
    happen,
    ready,
    receiver,
    said,
    sender,
    status,
    webhook,
)
from tests.servers.source import ok, serving


async def test_a_webhook_goes_to_the_address_as_it_is_spelled_and_long_answers_are_read(outbox: Outbox) -> None:  # E-06
    upload_id, target = an_upload(), "/a%2Fb%28%7E//my hook?signature=%2Fq%3D%3d&g=h'i"
    async with serving() as source, sender(outbox) as sender_:
        answered = ok(b"taken", "Content-Security-Policy: " + "x" * 60_000, "Content-Length: 5")
        source.sends(target.replace(" ", "%20"), answered)
        await happen(outbox, [configured(), *ready(upload_id, source.url(target))])
        await sender_.once()

    assert [request.path for request in source.requests] == [target.replace(" ", "%20")]
    assert (await webhook(outbox, upload_id))["status"] == "delivered"


async def test_a_processed_upload_is_announced_signed_and_in_the_words_of_its_api(outbox: Outbox) -> None:  # E-06
    upload_id = an_upload()
    async with receiver() as receiver_, sender(outbox) as sender_:
        await happen(outbox, [configured(), *ready(upload_id, receiver_.url)])
        assert await sender_.once()

    (call,) = receiver_.received
    body = call.verify()
    assert body == {
        "event": "upload.completed",
        "version": 5,
        "id": str(upload_id),
        "status": "COMPLETED",
        "public_url": f"https://uploads.test/public/{upload_id}.jpg",
        "expires_at": "2026-12-21T12:00:00Z",
        "owner": "org-acme",
        "uploader": "ada",
        "file_type": "image",
        "content_type": "image/jpeg",
        "size": 1234,
        "created_at": "2026-11-21T11:59:00Z",
        "updated_at": body["updated_at"],
        "error": None,
        "renditions": [
            {
                "name": "thumbnail.jpg",
                "kind": "thumbnail",
                "url": f"https://uploads.test/renditions/{upload_id}/thumbnail.jpg",
                "content_type": "image/jpeg",
                "width": 320,
                "height": 200,
            }
        ],
    }
    assert call.headers["content-type"] == "application/json"
    assert call.headers["user-agent"] == "Longshore"
    assert call.headers["webhook-id"] == str((await webhook(outbox, upload_id))["id"])
    assert call.headers["traceparent"].split("-")[1] == TRACEPARENT.split("-")[1]
    with pytest.raises(WebhookVerificationError):
        type(call)(call.headers, call.body.replace(b"COMPLETED", b"FAILED")).verify()


async def test_each_change_of_a_webhook_is_said_with_the_receivers_host_alone(outbox: Outbox) -> None:
    upload_id = an_upload()
    async with receiver(status(500), status(204)) as receiver_, sender(outbox) as sender_:
        await happen(outbox, [configured(), *ready(upload_id, receiver_.url)])
        await sender_.once()
        await sender_.once()

    changes = [e.event() for e in await said(outbox) if e.type == DeliveryChanged.type]
    steps = [(c.status, c.attempts, c.response_status) for c in changes if isinstance(c, DeliveryChanged)]
    assert steps == [("pending", 0, None), ("retrying", 1, 500), ("delivered", 2, 204)]
    assert {c.target for c in changes if isinstance(c, DeliveryChanged)} == {receiver_.url.split("/")[2]}
    assert "private" not in json.dumps([e.model_dump(mode="json") for e in await said(outbox)])


async def test_every_attempt_sends_the_same_bytes_under_the_same_id(outbox: Outbox) -> None:
    upload_id = an_upload()
    async with receiver(status(500), status(302), status(200)) as receiver_, sender(outbox) as sender_:
        await happen(outbox, [configured(), *ready(upload_id, receiver_.url)])
        while await sender_.once():
            pass

    assert len(receiver_.received) == 3
    assert len({call.body for call in receiver_.received}) == 1
    assert len({call.headers["webhook-id"] for call in receiver_.received}) == 1
    assert [(a["attempt"], a["response_status"]) for a in await attempts(outbox, upload_id)] == [(1, 500), (2, 302), (3, 200)]
    assert (await webhook(outbox, upload_id))["status"] == "delivered"

"""Events in any order, any number of times, lead to one webhook."""

import asyncio
from itertools import permutations

import pytest

from contracts.events import (
    DeliveryChanged,
    Event,
    ProcessingFailed,
    Stage,
    UploadAborted,
    UploadExpired,
    UploadRejected,
)
from contracts.ids import UploadId
from libs.outbox.unit_of_work import Outbox
from tests.integration.services.delivery.scene import (
    TENANT,
    an_upload,
    completed,
    configured,
    happen,
    happen_together,
    processed,
    ready,
    receiver,
    registered,
    rows,
    said,
    sender,
)


async def test_every_order_of_the_events_makes_exactly_one_webhook(outbox: Outbox) -> None:  # E-06
    async with receiver() as receiver_, sender(outbox) as sender_:
        uploads = []
        for order in permutations(range(4)):
            upload_id = an_upload()
            uploads.append(str(upload_id))
            events = [*ready(upload_id, receiver_.url), configured()]
            await happen(outbox, [events[number] for number in order])
            await happen(outbox, events)
        while await sender_.once():
            pass

    bodies = [call.verify() for call in receiver_.received]
    assert sorted(body["id"] for body in bodies) == sorted(uploads)
    assert {(body["event"], body["size"], body["content_type"]) for body in bodies} == {
        ("upload.completed", 1234, "image/jpeg")
    }


async def test_events_that_are_handled_at_the_same_time_make_exactly_one_webhook(outbox: Outbox) -> None:  # E-06
    uploads = [an_upload() for _ in range(20)]
    queues = zip(*(ready(upload_id, "http://127.0.0.1:9/") for upload_id in uploads), strict=True)
    await asyncio.gather(*(happen_together(outbox, queue) for queue in queues))
    made = await rows(outbox, "SELECT upload_id FROM webhooks")
    assert sorted(row["upload_id"] for row in made) == sorted(uploads)
    assert len([e for e in await said(outbox) if e.type == DeliveryChanged.type]) == 20


@pytest.mark.parametrize("missing", ["registration", "end", "size"])
async def test_nothing_is_announced_while_a_part_is_missing(outbox: Outbox, missing: str) -> None:
    upload_id = an_upload()
    events = {
        "registration": registered(upload_id, "http://127.0.0.1:1/"),
        "size": completed(upload_id),
        "end": processed(upload_id),
    }
    await happen(outbox, [event for name, event in events.items() if name != missing])
    assert await rows(outbox, "SELECT FROM webhooks") == []
    await happen(outbox, [events[missing]])
    assert len(await rows(outbox, "SELECT FROM webhooks")) == 1


async def test_an_upload_without_callback_url_is_not_announced(outbox: Outbox) -> None:  # E-06
    await happen(outbox, [configured(), *ready(an_upload(), None)])
    assert await rows(outbox, "SELECT FROM webhooks") == []


def endings(upload_id: UploadId) -> dict[str, tuple[Event, ...]]:
    about = {"upload_id": upload_id, "tenant_id": TENANT}
    return {
        "upload.rejected": (UploadRejected(**about, version=Stage.CLOSED, code="too_large", message="too many bytes"),),
        "upload.aborted": (UploadAborted(**about, version=Stage.CLOSED, reason="client"),),
        "upload.expired": (UploadExpired(**about, version=Stage.CLOSED),),
        "processing.failed": (
            completed(upload_id),
            ProcessingFailed(**about, version=Stage.PROCESSED, code="unreadable_media", message="not an image"),
        ),
    }


@pytest.mark.parametrize(
    ("ending", "event", "status", "error"),
    [
        ("upload.rejected", "upload.failed", "FAILED", {"code": "too_large", "message": "too many bytes"}),
        ("upload.aborted", "upload.deleted", "DELETED", None),
        ("upload.expired", "upload.expired", "EXPIRED", None),
        ("processing.failed", "upload.failed", "FAILED", {"code": "unreadable_media", "message": "not an image"}),
    ],
)
async def test_every_other_end_is_announced_too(
    outbox: Outbox, ending: str, event: str, status: str, error: dict[str, str] | None
) -> None:  # E-06
    for backwards in (False, True):
        upload_id = an_upload()
        async with receiver() as receiver_, sender(outbox) as sender_:
            events = [registered(upload_id, receiver_.url), *endings(upload_id)[ending], configured()]
            await happen(outbox, events[::-1] if backwards else events)
            await sender_.once()
        (call,) = receiver_.received
        body = call.verify()
        assert (body["event"], body["status"], body["error"], body["renditions"]) == (event, status, error, [])
        assert body["content_type"] == "image/png"


async def test_only_the_first_end_is_announced(outbox: Outbox) -> None:
    upload_id = an_upload()
    async with receiver() as receiver_, sender(outbox) as sender_:
        await happen(outbox, [configured(), *ready(upload_id, receiver_.url), *endings(upload_id)["upload.expired"]])
        while await sender_.once():
            pass
    assert [call.verify()["event"] for call in receiver_.received] == ["upload.completed"]


async def test_a_webhook_waits_for_its_tenants_secret(outbox: Outbox) -> None:
    upload_id = an_upload()
    async with receiver() as receiver_, sender(outbox) as sender_:
        await happen(outbox, ready(upload_id, receiver_.url))
        assert not await sender_.once()
        await happen(outbox, [configured()])
        assert await sender_.once()
    receiver_.received[0].verify()


async def test_an_older_secret_does_not_replace_a_newer_one(outbox: Outbox) -> None:
    newer = "whsec_" + "bmV3ZXItc2VjcmV0LW9mLXRoZS10ZXN0LXRlbmFudA=="
    async with receiver() as receiver_, sender(outbox) as sender_:
        await happen(outbox, [configured(2, newer), configured(1), *ready(an_upload(), receiver_.url)])
        await sender_.once()
    receiver_.received[0].verify(newer)


async def test_secrets_are_stored_sealed(outbox: Outbox) -> None:
    await happen(outbox, [configured()])
    (row,) = await rows(outbox, "SELECT sealed_secret FROM tenants")
    assert "whsec_" not in row["sealed_secret"]

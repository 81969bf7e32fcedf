"""Once more, on request: the same ids and the same bytes."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from contracts.webhook import WebhookFormat
from libs.outbox.unit_of_work import Outbox
from services.delivery.endpoints import jobs
from services.delivery.endpoints.jobs import Replays
from tests.integration.services.delivery.endpoints.scene import NEW, Endpoint, changes, replay, webhooks
from tests.integration.services.delivery.scene import (
    an_upload,
    completed,
    happen,
    processed,
    receiver,
    rows,
    sender,
    status,
)


@pytest.mark.parametrize("webhook_format", ["standard", "medialab"])
async def test_a_delivered_webhook_is_sent_again_byte_for_byte(outbox: Outbox, webhook_format: WebhookFormat) -> None:
    async with receiver() as receiver_, sender(outbox) as sender_:
        endpoint = Endpoint(receiver_.url, format=webhook_format)
        await happen(outbox, [endpoint.configured(), completed(an_upload())])
        await sender_.once()
        (webhook,) = await webhooks(outbox)
        await happen(outbox, [replay(endpoint, delivery_id=webhook["id"])])
        assert await sender_.once()
        assert not await sender_.once()

    first, second = receiver_.received
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert second.verify(NEW)
    assert [(c.status, c.attempts, c.replays) for c in await changes(outbox)] == [
        ("pending", 0, 0),
        ("delivered", 1, 0),
        ("pending", 1, 1),
        ("delivered", 2, 1),
    ]
    assert len({change.event_id for change in await changes(outbox)}) == 4


async def test_a_replayed_webhook_has_its_whole_schedule_before_it(outbox: Outbox) -> None:
    async with receiver(status(500)) as receiver_, sender(outbox, seconds=(0, 0, 0)) as sender_:
        endpoint = Endpoint(receiver_.url)
        await happen(outbox, [endpoint.configured(), completed(an_upload())])
        while await sender_.once():
            pass
        assert len(receiver_.received) == 3
        (webhook,) = await webhooks(outbox)
        assert webhook["status"] == "failed"
        await happen(outbox, [replay(endpoint, delivery_id=webhook["id"])])
        while await sender_.once():
            pass

    assert len(receiver_.received) == 6
    assert [row["attempt"] for row in await rows(outbox, "SELECT attempt FROM webhook_attempts ORDER BY 1")] == [
        1,
        2,
        3,
        4,
        5,
        6,
    ]


async def test_what_waits_for_its_next_attempt_no_longer_waits(outbox: Outbox) -> None:
    async with receiver(status(500), status(200)) as receiver_, sender(outbox, seconds=(0, 3600)) as sender_:
        endpoint = Endpoint(receiver_.url)
        await happen(outbox, [endpoint.configured(), completed(an_upload())])
        await sender_.once()
        assert not await sender_.once()
        (webhook,) = await webhooks(outbox)
        await happen(outbox, [replay(endpoint, delivery_id=webhook["id"])])
        assert await sender_.once()

    (webhook,) = await webhooks(outbox)
    assert (webhook["status"], webhook["attempts"], webhook["replays"]) == ("delivered", 2, 0)


async def test_all_that_failed_since_then_and_nothing_else(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "BATCH", 2)
    async with receiver(status(500)) as receiver_, receiver() as well, sender(outbox, seconds=(0,)) as sender_:
        endpoint, other = Endpoint(receiver_.url), Endpoint(well.url)
        # Given five failures, one of them too old, and deliveries that succeeded
        await happen(outbox, [endpoint.configured(), other.configured(), *(completed(an_upload()) for _ in range(5))])
        while await sender_.once():
            pass
        old = (await rows(outbox, "SELECT id FROM webhooks WHERE status = 'failed' LIMIT 1"))[0]["id"]
        await rows(outbox, "UPDATE webhooks SET ended_at = now() - interval '2 days' WHERE id = $1", old)

        # When all that failed since yesterday are asked for again
        receiver_.answers = [status(200)]
        since = datetime.now(UTC) - timedelta(days=1)
        await happen(outbox, [replay(endpoint, since=since)])
        replays = Replays(outbox)
        while await replays.once():
            pass
        while await sender_.once():
            pass

    # Then those four are delivered
    assert len(receiver_.received) == 9
    assert len(well.received) == 5
    failed = [w["id"] for w in await webhooks(outbox) if w["status"] == "failed"]
    assert failed == [old]
    assert await rows(outbox, "SELECT * FROM webhook_replays") == []


async def test_nobody_elses_webhook_is_replayed(outbox: Outbox) -> None:
    async with receiver() as receiver_, sender(outbox) as sender_:
        endpoint, other = Endpoint(receiver_.url), Endpoint(receiver_.url, news=("file.expired",))
        await happen(outbox, [endpoint.configured(), other.configured(), processed(an_upload())])
        await sender_.once()
        (webhook,) = await webhooks(outbox)
        await happen(outbox, [replay(other, delivery_id=webhook["id"]), replay(endpoint, delivery_id=uuid4())])
        assert not await sender_.once()

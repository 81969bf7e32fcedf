"""Leases, crashes, and receivers that do not hold each other up."""

import asyncio

import asyncpg
from aiohttp import web

from libs.outbox.unit_of_work import Outbox
from services.delivery.jobs import Sender
from tests.integration.services.delivery.scene import (
    an_upload,
    attempts,
    configured,
    happen,
    ready,
    receiver,
    rows,
    running,
    sender,
    status,
    webhook,
)


async def hang(request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def test_a_webhook_is_sent_as_soon_as_its_event_is_handled(outbox: Outbox) -> None:
    async with receiver() as receiver_, sender(outbox, poll_seconds=3600) as sender_, running(sender_.run):
        await happen(outbox, [configured(), *ready(an_upload(), receiver_.url)])
        await receiver_.has_received(1)


async def test_hanging_receivers_do_not_hold_up_healthy_ones(outbox: Outbox) -> None:
    # Given more webhooks for receivers that hang than there are places, all older than the healthy ones
    async with receiver(hang) as first, receiver(hang) as second, receiver() as healthy:
        await happen(outbox, [configured()])
        for hanging in (first, second):
            for _ in range(20):
                await happen(outbox, ready(an_upload(), hanging.url))
        for _ in range(20):
            await happen(outbox, ready(an_upload(), healthy.url))
        # When they are sent, and no attempt at the hanging ones ever ends
        async with sender(outbox, concurrency=16, timeout_seconds=60, drain_seconds=0.01) as sender_, running(sender_.run):
            # Then the healthy ones get all of theirs, the others only their share of the places
            await healthy.has_received(20)
            assert len(first.received) <= 4
            assert len(second.received) <= 4
            await first.has_received(4)


async def test_a_receiver_that_times_out_gets_fewer_places_and_then_a_pause(outbox: Outbox) -> None:
    async with receiver(hang) as hanging, sender(outbox, timeout_seconds=0.1) as sender_:
        await happen(outbox, [configured()])
        for _ in range(12):
            await happen(outbox, ready(an_upload(), hanging.url))
        tries: list[int] = []
        while await sender_.once():
            tries.append(len(hanging.received) - sum(tries))
    assert tries == [4, 1]
    assert len(await rows(outbox, "SELECT FROM webhooks WHERE status = 'pending'")) == 12 - 5


async def test_a_crash_between_sending_and_recording_sends_the_same_again(outbox: Outbox) -> None:
    upload_id = an_upload()
    async with receiver() as receiver_, sender(outbox) as crashing, sender(outbox) as surviving:
        await happen(outbox, [configured(), *ready(upload_id, receiver_.url)])
        # Given a process that sent and died before it recorded
        await crashing.start_due()
        await receiver_.has_received(1)
        assert not await surviving.once(), "the lease still holds"
        # When its lease ends
        await rows(outbox, "UPDATE webhooks SET next_attempt_at = now() - interval '1 s'")
        assert await surviving.once()
        # Then the same bytes went out under the same id, and the late result of the first is void
        await settle(crashing)
        await crashing.record()
    first, second = receiver_.received
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])
    assert [a["attempt"] for a in await attempts(outbox, upload_id)] == [1]
    assert (await webhook(outbox, upload_id))["status"] == "delivered"


async def settle(sender_: Sender) -> None:
    while sender_.sending:
        await asyncio.sleep(0)


async def test_two_processes_send_each_webhook_once(outbox: Outbox) -> None:
    async with receiver() as receiver_, sender(outbox) as one, sender(outbox) as other:
        await happen(outbox, [configured()])
        for _ in range(20):
            await happen(outbox, ready(an_upload(), receiver_.url))
        async with running(one.run), running(other.run):
            await receiver_.has_received(20)
        while await one.once():
            pass
    assert len({call.headers["webhook-id"] for call in receiver_.received}) == 20
    assert len(receiver_.received) == 20


async def test_a_stop_records_what_ended_and_gives_back_the_rest(outbox: Outbox) -> None:
    done, hanging = an_upload(), an_upload()
    async with receiver() as healthy, receiver(hang) as stuck:
        await happen(outbox, [configured(), *ready(done, healthy.url), *ready(hanging, stuck.url)])
        async with sender(outbox, drain_seconds=0.01) as sender_, running(sender_.run):
            await healthy.has_received(1)
            await stuck.has_received(1)
    assert (await webhook(outbox, done))["status"] == "delivered"
    row = await webhook(outbox, hanging)
    assert (row["status"], row["lease"], row["attempts"]) == ("pending", None, 0)


async def test_a_lease_that_ended_is_not_recorded_twice(outbox: Outbox) -> None:
    upload_id = an_upload()
    async with receiver(status(500), status(200)) as receiver_, sender(outbox, lease_seconds=0, seconds=(0, 100)) as sender_:
        await happen(outbox, [configured(), *ready(upload_id, receiver_.url)])
        await sender_.start_due()
        await sender_.start_due()  # its own lease has ended: the same webhook once more
        await sender_.once()
    assert len(receiver_.received) >= 2
    assert len(await attempts(outbox, upload_id)) == 1


async def test_connections_that_break_meanwhile_cost_no_attempt(outbox: Outbox, database_dsn: str) -> None:
    upload_id, may_answer = an_upload(), asyncio.Event()

    async def wait(request: web.Request) -> web.StreamResponse:
        await may_answer.wait()
        return web.Response(status=200)

    async with receiver(wait) as receiver_, sender(outbox) as sender_, running(sender_.run):
        await happen(outbox, [configured(), *ready(upload_id, receiver_.url)])
        await receiver_.has_received(1)
        # When the database ends every connection while the attempt is under way
        admin = await asyncpg.connect(database_dsn)
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'longshore-delivery'"
        )
        may_answer.set()
        # Then it is recorded nevertheless, and not made again
        while await admin.fetchval("SELECT status FROM delivery.webhooks") != "delivered":
            await asyncio.sleep(0.02)
        await admin.close()
    assert len(receiver_.received) == 1

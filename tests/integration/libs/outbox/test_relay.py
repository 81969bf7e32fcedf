"""The relay against a real outbox. The bus is a stand-in that answers what the test tells it to."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from contracts.envelope import EncodedEvent
from contracts.events import UploadExpired
from contracts.ids import TenantId, UploadId
from libs.messaging.port import BusUnavailableError, Deliver, Retry, Subscription
from libs.outbox.relay import ROWS, Relay
from libs.outbox.unit_of_work import EVENTS_PER_ROW, Outbox

OpenOutbox = Callable[[str], Awaitable[Outbox]]
Answers = Sequence[Exception | None]


class AnsweringBus:
    """Takes everything, unless `answer` says otherwise."""

    def __init__(
        self, answer: Callable[[EncodedEvent], Exception | None] = lambda _event: None, *, generation: str = "only"
    ) -> None:
        self.published: list[EncodedEvent] = []
        self.answer = answer
        self._generation = generation

    async def generation(self) -> str:
        return self._generation

    async def publish(self, envelopes: Sequence[EncodedEvent]) -> Answers:
        self.published += envelopes
        return [self.answer(envelope) for envelope in envelopes]

    def subscribe(self, subscription: Subscription, deliver: Deliver) -> None: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def check(self) -> None: ...


class HangingBus(AnsweringBus):
    """The moment between publication and deletion, for as long as the test needs it."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = asyncio.Event()

    async def publish(self, envelopes: Sequence[EncodedEvent]) -> Answers:
        self.published += envelopes
        self.reached.set()
        await asyncio.Event().wait()
        raise AssertionError


async def test_only_confirmed_rows_are_deleted(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("session")
    refused, *_taken = await emit(outbox, 5)
    bus = AnsweringBus(lambda envelope: RuntimeError("refused") if envelope.id == refused.event_id else None)
    assert await Relay(outbox, bus).once() == 5
    (row,) = await rows(outbox)
    assert (row["event_ids"], row["attempts"], row["last_error"]) == ([refused.event_id], 1, "RuntimeError: refused")
    assert timedelta(milliseconds=500) < row["wait"] < timedelta(seconds=2)
    assert await Relay(outbox, bus).once() == 0


async def test_the_pause_grows_up_to_five_minutes_and_the_row_stays(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("session")
    await emit(outbox, 1)
    relay = Relay(outbox, AnsweringBus(lambda _envelope: RuntimeError("never")))
    waits = []
    for _attempt in range(25):
        await relay.once()
        ((row),) = await rows(outbox)
        waits.append(row["wait"])
        await make_due(outbox)
    assert waits[2] > waits[0]
    assert timedelta(minutes=3) < max(waits) < timedelta(minutes=7)
    assert (await rows(outbox))[0]["attempts"] == 25


async def test_the_bus_may_say_when_it_wants_an_event_again(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("session")
    await emit(outbox, 1)
    await Relay(outbox, AnsweringBus(lambda _envelope: Retry(timedelta(minutes=30), "later"))).once()
    (row,) = await rows(outbox)
    assert timedelta(minutes=29) < row["wait"] < timedelta(minutes=31)


async def test_a_bus_that_is_away_costs_no_row_an_attempt(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("session")
    await emit(outbox, 3)
    bus = AnsweringBus(lambda _envelope: BusUnavailableError("away"))
    with pytest.raises(BusUnavailableError):
        await Relay(outbox, bus).once()
    assert [(row["event_count"], row["attempts"]) for row in await rows(outbox)] == [(3, 0)]
    bus.answer = lambda _envelope: None
    assert await Relay(outbox, bus).once() == 3


async def test_events_of_one_row_that_failed_for_different_reasons_go_different_ways(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("session")
    refused, unheard, slow, *_taken = await emit(outbox, EVENTS_PER_ROW)
    answers = {
        refused.event_id: RuntimeError("refused"),
        unheard.event_id: BusUnavailableError("away"),
        slow.event_id: Retry(timedelta(minutes=30), "later"),
    }
    with pytest.raises(BusUnavailableError):
        await Relay(outbox, AnsweringBus(lambda event: answers.get(event.id))).once()
    assert {(row["event_ids"][0], row["event_count"], row["attempts"]) for row in await rows(outbox)} == {
        (refused.event_id, 1, 1),
        (unheard.event_id, 1, 0),
        (slow.event_id, 1, 1),
    }
    bus = AnsweringBus()
    assert await Relay(outbox, bus).once() == 1
    assert [event.id for event in bus.published] == [unheard.event_id]


async def test_events_of_one_transaction_share_rows(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("session")
    events = await emit(outbox, 2 * EVENTS_PER_ROW + 1)
    assert [row["event_count"] for row in await rows(outbox)] == [EVENTS_PER_ROW, EVENTS_PER_ROW, 1]
    assert [event_id for row in await rows(outbox) for event_id in row["event_ids"]] == [event.event_id for event in events]


async def test_a_crash_between_publication_and_deletion_publishes_the_same_id_again(
    open_outbox: OpenOutbox, database_dsn: str
) -> None:
    outbox = await open_outbox("session")
    (event,) = await emit(outbox, 1)
    hanging = HangingBus()
    crashing = asyncio.create_task(Relay(outbox, hanging).once())
    await hanging.reached.wait()
    await end_sessions_in_transactions(database_dsn)
    crashing.cancel()
    await asyncio.wait({crashing})
    bus = AnsweringBus()
    assert await Relay(outbox, bus).once() == 1
    assert [envelope.id for envelope in hanging.published + bus.published] == [event.event_id, event.event_id]
    assert await rows(outbox) == []


async def test_a_row_that_one_relay_publishes_is_not_published_by_another(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("session")
    await emit(outbox, 3)
    hanging = HangingBus()
    first = asyncio.create_task(Relay(outbox, hanging).once())
    await hanging.reached.wait()
    bus = AnsweringBus()
    assert await Relay(outbox, bus).once() == 0
    first.cancel()
    await asyncio.wait({first})
    assert await Relay(outbox, bus).once() == 3


async def test_concurrent_relays_share_a_backlog_and_repeat_nothing(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("session")
    events = await emit(outbox, ROWS * EVENTS_PER_ROW * 10)
    bus = AnsweringBus()

    async def drain() -> None:
        while await Relay(outbox, bus).once():
            pass

    await asyncio.gather(*(drain() for _ in range(4)))
    assert Counter(envelope.id for envelope in bus.published) == Counter(event.event_id for event in events)
    assert await rows(outbox) == []


async def test_a_backlog_is_published_in_the_order_of_its_commits(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("session")
    events = [event for _ in range(3) for event in await emit(outbox, 100)]
    bus = AnsweringBus()
    while await Relay(outbox, bus).once():
        pass
    assert [envelope.id for envelope in bus.published] == [event.event_id for event in events]


async def test_a_running_relay_is_woken_by_a_commit(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("session")
    bus = AnsweringBus()
    relay = asyncio.create_task(Relay(outbox, bus).run())
    for count in range(1, 4):
        await emit(outbox, 1)
        async with asyncio.timeout(10):
            while len(bus.published) < count:
                await asyncio.sleep(0.005)
    relay.cancel()
    await asyncio.wait({relay})


async def emit(outbox: Outbox, count: int) -> list[UploadExpired]:
    events = [UploadExpired(upload_id=UploadId(uuid4()), tenant_id=TenantId(uuid4()), version=3) for _ in range(count)]
    async with outbox.unit_of_work() as work:
        for event in events:
            work.emit(event)
    return events


async def rows(outbox: Outbox) -> list[Any]:
    async with outbox.database.connection() as connection:
        return await connection.fetch("SELECT *, next_at - clock_timestamp() AS wait FROM outbox ORDER BY id")


async def make_due(outbox: Outbox) -> None:
    async with outbox.database.connection() as connection:
        await connection.execute("UPDATE outbox SET next_at = now()")


async def end_sessions_in_transactions(dsn: str) -> None:
    """What the server does when a client process dies: its sessions end, their transactions are rolled back."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE state = 'idle in transaction' AND datname = current_database()"
    )
    await connection.close()

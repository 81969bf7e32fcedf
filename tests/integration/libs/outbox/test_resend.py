"""What a broker confirmed is published again, in rounds. The bus is a stand-in that answers what the test tells it to."""

from collections import Counter
from datetime import timedelta
from uuid import UUID

import pytest

from libs.messaging.port import BusUnavailableError
from libs.outbox.relay import Relay
from libs.outbox.resend import BATCH, DELAYS, Resend
from libs.outbox.unit_of_work import Outbox
from tests.integration.libs.outbox.test_relay import AnsweringBus, OpenOutbox, emit, rows


async def sent(outbox: Outbox, count: int, ago: timedelta) -> list[UUID]:
    """Events that the relay sent some time ago, and nothing else."""
    events = await emit(outbox, count)
    while await Relay(outbox, AnsweringBus(), keep=True).once():
        pass
    await passes(outbox, ago)
    return [event.event_id for event in events]


async def passes(outbox: Outbox, time: timedelta) -> None:
    async with outbox.database.connection() as connection:
        await connection.execute("UPDATE sent_events SET sent_at = sent_at - $1::interval", time)
        await connection.execute("UPDATE sent_rounds SET sent_at = sent_at - $1::interval", time)


async def kept(outbox: Outbox) -> int:
    async with outbox.database.connection() as connection:
        return int(await connection.fetchval("SELECT count(*) FROM sent_events"))


async def resent(outbox: Outbox) -> list[UUID]:
    bus = AnsweringBus()
    while await Resend(outbox, bus).once():
        pass
    return [envelope.id for envelope in bus.published]


async def test_an_event_is_said_again_once_in_each_round_and_then_forgotten(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("gateway")
    little = timedelta(seconds=20)
    (event_id,) = await sent(outbox, 1, timedelta())
    age = timedelta()
    for delay in DELAYS:
        await passes(outbox, delay - little - age)
        assert await resent(outbox) == []
        await passes(outbox, 2 * little)
        assert await kept(outbox) == 1
        assert await resent(outbox) == [event_id]
        assert await resent(outbox) == []
        age = delay + little
    assert await kept(outbox) == 0


async def test_it_is_the_same_envelope_with_its_id_time_and_trace(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("transcoder")
    await emit(outbox, 3)
    first, again = AnsweringBus(), AnsweringBus()
    await Relay(outbox, first, keep=True).once()
    await passes(outbox, DELAYS[0])
    await Resend(outbox, again).once()
    assert sorted(again.published, key=lambda envelope: envelope.id) == sorted(first.published, key=lambda e: e.id)


async def test_where_no_broker_could_lose_it_nothing_is_kept(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("gateway")
    await emit(outbox, 3)
    assert await Relay(outbox, AnsweringBus()).once() == 3
    assert await kept(outbox) == 0


async def test_only_what_was_confirmed_is_kept(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("gateway")
    refused, *taken = await emit(outbox, 3)
    bus = AnsweringBus(lambda envelope: RuntimeError("refused") if envelope.id == refused.event_id else None)
    await Relay(outbox, bus, keep=True).once()
    await passes(outbox, DELAYS[0])
    assert Counter(await resent(outbox)) == Counter(event.event_id for event in taken)


async def test_a_round_goes_through_many_events_of_the_same_moment(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("gateway")
    event_ids = await sent(outbox, 3 * BATCH + 1, DELAYS[0])
    async with outbox.database.connection() as connection:
        await connection.execute("UPDATE sent_events SET sent_at = now() - $1::interval", DELAYS[0])
    assert Counter(await resent(outbox)) == Counter(event_ids)


async def test_a_service_that_stood_still_catches_up_and_forgets(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("gateway")
    (event_id,) = await sent(outbox, 1, timedelta(days=1))
    assert set(await resent(outbox)) == {event_id}
    assert await kept(outbox) == 0


async def test_a_bus_that_is_away_leaves_the_round_where_it_was(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("gateway")
    event_ids = await sent(outbox, 2, DELAYS[0])
    away = AnsweringBus(lambda _envelope: BusUnavailableError("away"))
    with pytest.raises(BusUnavailableError):
        await Resend(outbox, away).once()
    assert Counter(await resent(outbox)) == Counter(event_ids)


async def test_an_event_that_the_bus_no_longer_takes_is_left_to_the_relay(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("gateway")
    event_ids = await sent(outbox, 2, DELAYS[0])
    refusing = AnsweringBus(lambda envelope: RuntimeError("unroutable") if envelope.id == event_ids[0] else None)
    await Resend(outbox, refusing).once()
    assert [row["event_id"] for row in await rows(outbox)] == event_ids[:1]
    assert await resent(outbox) == []

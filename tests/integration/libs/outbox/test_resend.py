"""What a broker confirmed is published again when it has lost it. The bus is a stand-in that answers what the test says."""

from collections import Counter
from datetime import timedelta
from uuid import UUID

import pytest

from libs.messaging.port import BusUnavailableError
from libs.outbox.relay import Relay
from libs.outbox.resend import KEPT, ROWS, Resend, resend_all
from libs.outbox.unit_of_work import EVENTS_PER_ROW, Outbox
from tests.integration.libs.outbox.test_relay import AnsweringBus, OpenOutbox, emit, rows

LITTLE = timedelta(seconds=20)
AT_ONCE = (timedelta(0),)


async def sent(outbox: Outbox, count: int, ago: timedelta = LITTLE) -> list[UUID]:
    """Events that the relay sent some time ago, and nothing else."""
    events = await emit(outbox, count)
    while await Relay(outbox, AnsweringBus(), keep=True).once():
        pass
    async with outbox.database.connection() as connection:
        await connection.execute("UPDATE outbox SET sent_at = sent_at - $1::interval", ago)
    return [event.event_id for event in events]


async def kept(outbox: Outbox) -> int:
    async with outbox.database.connection() as connection:
        return int(await connection.fetchval("SELECT coalesce(sum(event_count), 0) FROM outbox WHERE sent_at IS NOT NULL"))


async def resent(outbox: Outbox, generation: str, passes: tuple[timedelta, ...] = AT_ONCE) -> list[UUID]:
    """What is published again before there is nothing more to do now."""
    bus = AnsweringBus(generation=generation)
    while await Resend(outbox, bus, passes).once():
        pass
    return [event.id for event in bus.published]


async def test_nothing_is_said_twice_while_the_broker_holds_its_data(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("gateway")
    assert await resent(outbox, "first") == []
    await sent(outbox, 3)
    assert await resent(outbox, "first") == []
    assert await kept(outbox) == 3


async def test_what_was_sent_before_a_loss_is_said_again_once(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("gateway")
    assert await resent(outbox, "first") == []
    event_ids = await sent(outbox, 3)
    assert Counter(await resent(outbox, "second")) == Counter(event_ids)
    assert await resent(outbox, "second") == []


async def test_the_second_pass_finds_what_a_relay_committed_late(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("gateway")
    passes = (timedelta(0), timedelta(minutes=1))
    assert await resent(outbox, "first", passes[:1]) == []
    early = await sent(outbox, 1)
    assert await resent(outbox, "second", passes) == early
    # Given one that was sent before the loss was found, and committed behind the first pass
    late = await sent(outbox, 1, timedelta(hours=0.5))
    assert await resent(outbox, "second", passes) == []
    async with outbox.database.connection() as connection:
        await connection.execute("UPDATE broker_generation SET found_at = found_at - interval '1 minute'")
        await connection.execute("UPDATE outbox SET sent_at = sent_at - interval '2 minutes'")
    assert set(await resent(outbox, "second", passes)) == {*early, *late}
    assert await resent(outbox, "second", passes) == []


async def test_it_is_the_same_envelope_with_its_id_time_and_trace(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("transcoder")
    assert await resent(outbox, "first") == []
    await emit(outbox, 3)
    first, again = AnsweringBus(), AnsweringBus(generation="second")
    await Relay(outbox, first, keep=True).once()
    while await Resend(outbox, again, AT_ONCE).once():
        pass
    assert sorted(again.published, key=lambda event: event.id) == sorted(first.published, key=lambda event: event.id)


async def test_where_no_broker_could_lose_it_nothing_is_kept(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("gateway")
    await emit(outbox, 3)
    assert await Relay(outbox, AnsweringBus()).once() == 3
    assert await kept(outbox) == 0


async def test_only_what_was_confirmed_is_kept(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("gateway")
    assert await resent(outbox, "first") == []
    refused, *taken = await emit(outbox, 3)
    bus = AnsweringBus(lambda event: RuntimeError("refused") if event.id == refused.event_id else None)
    await Relay(outbox, bus, keep=True).once()
    assert Counter(await resent(outbox, "second")) == Counter(event.event_id for event in taken)


async def test_a_pass_goes_through_many_events_of_the_same_moment(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("gateway")
    assert await resent(outbox, "first") == []
    event_ids = await sent(outbox, 3 * ROWS * EVENTS_PER_ROW + 1)
    async with outbox.database.connection() as connection:
        await connection.execute("UPDATE outbox SET sent_at = now() - $1::interval", LITTLE)
    assert Counter(await resent(outbox, "second")) == Counter(event_ids)


async def test_what_was_sent_long_ago_is_forgotten(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("gateway")
    assert await resent(outbox, "first") == []
    await sent(outbox, 2, KEPT + LITTLE)
    (young,) = await sent(outbox, 1)
    assert await resent(outbox, "first") == []
    assert await kept(outbox) == 1
    assert await resent(outbox, "second") == [young]


async def test_a_bus_that_is_away_leaves_the_pass_where_it_was(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("gateway")
    assert await resent(outbox, "first") == []
    event_ids = await sent(outbox, 2)
    away = AnsweringBus(lambda _event: BusUnavailableError("away"), generation="second")
    resend = Resend(outbox, away, AT_ONCE)
    assert await resend.once()
    with pytest.raises(BusUnavailableError):
        await resend.once()
    assert Counter(await resent(outbox, "second")) == Counter(event_ids)


async def test_a_second_loss_begins_from_the_first_event_again(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("gateway")
    assert await resent(outbox, "first") == []
    event_ids = await sent(outbox, 2)
    resend = Resend(outbox, AnsweringBus(generation="second"), AT_ONCE)
    for _ in range(2):
        assert await resend.once()
    assert Counter(await resent(outbox, "third")) == Counter(event_ids)


async def test_an_event_that_the_bus_no_longer_takes_is_left_to_the_relay(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("gateway")
    assert await resent(outbox, "first") == []
    event_ids = await sent(outbox, 2)
    refusing = AnsweringBus(lambda event: RuntimeError("unroutable") if event.id == event_ids[0] else None, generation="second")
    while await Resend(outbox, refusing, AT_ONCE).once():
        pass
    assert [row["event_ids"] for row in await rows(outbox) if row["sent_at"] is None] == [event_ids[:1]]
    assert await resent(outbox, "second") == []


async def test_an_operator_has_everything_that_is_kept_said_again(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("gateway")
    assert await resent(outbox, "first") == []
    event_ids = await sent(outbox, 2)
    await resend_all(outbox)
    assert Counter(await resent(outbox, "first")) == Counter(event_ids)

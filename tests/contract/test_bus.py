"""What every bus does, whatever carries the messages. The handlers run against real databases."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
import pytest_asyncio

from contracts.envelope import Envelope
from contracts.events import FileDeleted, UploadAborted, UploadExpired
from libs.messaging.handler import one_by_one
from libs.messaging.message import Message
from libs.messaging.port import BusUnavailableError, Reject, Retry
from libs.outbox.unit_of_work import UnitOfWork, envelop
from tests.contract.bus_harness import (
    DeclareTopology,
    Harness,
    LocalHarness,
    OpenOutbox,
    RabbitMqHarness,
    eventually,
    expired,
)


@pytest_asyncio.fixture
async def local(open_outbox: OpenOutbox) -> AsyncIterator[Harness]:
    harness = LocalHarness(open_outbox)
    yield harness
    await harness.stop()


@pytest_asyncio.fixture
async def rabbitmq_bus(open_outbox: OpenOutbox, declare_topology: DeclareTopology) -> AsyncIterator[Harness]:
    harness = RabbitMqHarness(open_outbox, declare_topology)
    yield harness
    await harness.stop()


@pytest.fixture(params=["local", "rabbitmq_bus"])
def harness(request: pytest.FixtureRequest) -> Harness:
    adapter: Harness = request.getfixturevalue(request.param)
    return adapter


class Recorder:
    """A handler that notes what it sees and then does what it is told."""

    def __init__(self, *then: Exception | None) -> None:
        self.seen: list[UUID] = []
        self.causes: list[Envelope] = []
        self._then = list(then)

    async def __call__(self, messages: Sequence[Message[UploadExpired]], work: UnitOfWork) -> None:
        for message in messages:
            self.seen.append(message.event.upload_id)
            self.causes.append(message.envelope)
            if self._then and (error := self._then.pop(0)) is not None:
                raise error


async def test_an_event_reaches_every_subscriber_and_leaves_the_outbox(harness: Harness) -> None:
    gateway, delivery = Recorder(), Recorder()
    await harness.start({"gateway": {gateway: (UploadExpired,)}, "delivery": {delivery: (UploadExpired,)}})
    event = expired()
    await harness.publish(event)
    await eventually(lambda: gateway.seen == delivery.seen == [event.upload_id])
    await eventually(lambda: _empty(harness))


async def test_an_event_that_nobody_consumes_is_done_at_once(harness: Harness) -> None:
    await harness.start({"gateway": {Recorder(): (UploadAborted,)}})
    await harness.publish(expired())
    await eventually(lambda: _empty(harness))


async def test_a_batch_is_handled_completely(harness: Harness) -> None:
    gateway = Recorder()
    await harness.start({"gateway": {gateway: (UploadExpired,)}}, prefetch=20)
    events = [expired() for _ in range(150)]
    await harness.publish(*events)
    await eventually(lambda: len(gateway.seen) >= 150)
    assert Counter(gateway.seen) == Counter(event.upload_id for event in events)


async def test_an_event_that_comes_twice_is_handled_once(harness: Harness) -> None:
    gateway = Recorder()
    await harness.start({"gateway": {gateway: (UploadExpired,)}})
    twice, last = expired(), expired()
    envelopes = [envelop(event, source="session").encode() for event in (twice, twice, last)]
    assert await harness.bus.publish(envelopes) == [None, None, None]
    assert await harness.bus.publish(envelopes[:1]) == [None]
    await eventually(lambda: set(gateway.seen) == {twice.upload_id, last.upload_id})
    await eventually(lambda: _empty(harness))
    assert len(gateway.seen) == 2


async def test_what_a_handler_emits_names_its_cause(harness: Harness) -> None:
    later = Recorder()

    async def on_expired(event: UploadExpired, work: UnitOfWork) -> None:
        work.emit(FileDeleted(upload_id=event.upload_id, tenant_id=event.tenant_id, version=9))

    await harness.start({"gateway": {one_by_one(on_expired): (UploadExpired,)}, "delivery": {later: (FileDeleted,)}})
    event = expired()
    await harness.publish(event)
    await eventually(lambda: later.seen == [event.upload_id])
    assert later.causes[0].causation_id == str(event.event_id)
    assert later.causes[0].source == "gateway"


async def test_after_an_exception_the_event_comes_again(harness: Harness) -> None:
    gateway = Recorder(RuntimeError("first"), None)
    await harness.start({"gateway": {gateway: (UploadExpired,)}})
    await harness.publish(expired())
    await eventually(lambda: len(gateway.seen) == 2)
    await eventually(lambda: _empty(harness))
    assert not await harness.dead_letters("gateway").list()


async def test_a_failed_handler_leaves_nothing_behind(harness: Harness) -> None:
    later = Recorder()
    attempts: list[UUID] = []

    async def on_expired(event: UploadExpired, work: UnitOfWork) -> None:
        attempts.append(event.upload_id)
        name = FileDeleted if len(attempts) > 1 else UploadAborted
        fields = {"upload_id": event.upload_id, "tenant_id": event.tenant_id, "version": 9, "reason": "client"}
        work.emit(name.model_validate(fields))
        if len(attempts) == 1:
            raise RuntimeError("after it emitted")

    await harness.start(
        {"gateway": {one_by_one(on_expired): (UploadExpired,)}, "delivery": {later: (FileDeleted, UploadAborted)}}
    )
    await harness.publish(expired())
    await eventually(lambda: len(later.seen) == 1)
    assert later.causes[0].type == FileDeleted.type


async def test_a_bad_message_harms_nobody_in_its_batch(harness: Harness) -> None:
    bad = expired()
    handled: list[UUID] = []

    async def on_expired(event: UploadExpired, work: UnitOfWork) -> None:
        if event.upload_id == bad.upload_id:
            raise RuntimeError("bad")
        work.emit(FileDeleted(upload_id=event.upload_id, tenant_id=event.tenant_id, version=9))

    async def on_deleted(event: FileDeleted, work: UnitOfWork) -> None:
        handled.append(event.upload_id)

    await harness.start(
        {"gateway": {one_by_one(on_expired): (UploadExpired,)}, "delivery": {one_by_one(on_deleted): (FileDeleted,)}}
    )
    good = [expired() for _ in range(30)]
    await harness.publish(*good[:15], bad, *good[15:])
    await eventually(lambda: len(handled) >= 30)
    assert Counter(handled) == Counter(event.upload_id for event in good)
    await eventually(lambda: _dead(harness, "gateway", 1))


async def test_a_retry_is_delivered_again(harness: Harness) -> None:
    gateway = Recorder(Retry(timedelta(milliseconds=100), "not yet"))
    await harness.start({"gateway": {gateway: (UploadExpired,)}})
    await harness.publish(expired())
    await eventually(lambda: len(gateway.seen) == 2)
    await eventually(lambda: _empty(harness))


async def test_a_rejected_message_is_a_dead_letter_with_its_reason(harness: Harness) -> None:
    gateway, delivery = Recorder(Reject("of no use")), Recorder()
    await harness.start({"gateway": {gateway: (UploadExpired,)}, "delivery": {delivery: (UploadExpired,)}})
    event = expired()
    await harness.publish(event)
    await eventually(lambda: _dead(harness, "gateway", 1))
    await eventually(lambda: _empty(harness))
    (letter,) = await harness.dead_letters("gateway").list()
    assert (letter.message_id, letter.reason, letter.attempts) == (str(event.event_id), "of no use", 1)
    assert (letter.queue, letter.event_type) == ("gateway.events", UploadExpired.type)
    assert Envelope.model_validate_json(letter.body).event() == event
    assert not await harness.dead_letters("delivery").list()
    assert len(gateway.seen) == len(delivery.seen) == 1


async def test_after_the_last_tier_comes_the_dead_letter(harness: Harness) -> None:
    gateway = Recorder(*[ValueError("always")] * 10)
    await harness.start({"gateway": {gateway: (UploadExpired,)}})
    await harness.publish(expired())
    await eventually(lambda: _dead(harness, "gateway", 1))
    (letter,) = await harness.dead_letters("gateway").list()
    assert (letter.reason, letter.attempts, len(gateway.seen)) == ("ValueError: always", 3, 3)


async def test_data_that_does_not_fit_its_type_is_a_dead_letter(harness: Harness) -> None:
    gateway = Recorder()
    await harness.start({"gateway": {gateway: (UploadExpired,)}})
    event = expired()
    envelope = envelop(event, source="session").model_copy(update={"data": {"upload_id": "nonsense"}})
    assert await harness.bus.publish([envelope.encode()]) == [None]
    await eventually(lambda: _dead(harness, "gateway", 1))
    (letter,) = await harness.dead_letters("gateway").list()
    assert "upload_id" in letter.reason
    assert not gateway.seen


async def test_a_replayed_dead_letter_is_a_first_attempt_for_its_service_alone(harness: Harness) -> None:
    gateway, delivery = Recorder(Reject("of no use"), RuntimeError("once more")), Recorder()
    await harness.start({"gateway": {gateway: (UploadExpired,)}, "delivery": {delivery: (UploadExpired,)}})
    event = expired()
    await harness.publish(event)
    await eventually(lambda: _dead(harness, "gateway", 1))
    dead_letters = harness.dead_letters("gateway")
    assert await dead_letters.show(str(event.event_id)) is not None
    assert await dead_letters.replay(str(event.event_id)) == 1
    await eventually(lambda: len(gateway.seen) == 3)
    await eventually(lambda: _empty(harness))
    assert await dead_letters.show(str(event.event_id)) is None
    assert len(delivery.seen) == 1


async def test_all_dead_letters_are_replayed_where_none_is_named(harness: Harness) -> None:
    gateway = Recorder(*[Reject("of no use")] * 5)
    await harness.start({"gateway": {gateway: (UploadExpired,)}}, prefetch=1)
    await harness.publish(*[expired() for _ in range(5)])
    await eventually(lambda: _dead(harness, "gateway", 5))
    assert await harness.dead_letters("gateway").replay() == 5
    await eventually(lambda: len(gateway.seen) == 10)
    assert not await harness.dead_letters("gateway").list()


async def test_what_holds_no_envelope_stays_in_the_outbox_and_stops_nobody(harness: Harness) -> None:
    gateway = Recorder()
    await harness.start({"gateway": {gateway: (UploadExpired,)}})
    broken, good = expired(), expired()
    async with harness.outbox.unit_of_work() as work:
        work.emit(broken)
        work.emit(good)
        work.emitted[0] = replace(work.emitted[0], body="{}")
    await eventually(lambda: gateway.seen == [good.upload_id])
    await eventually(lambda: _postponed(harness, broken.event_id, "UnreadableEventError"))


async def test_stop_lets_a_running_handler_finish(harness: Harness) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()
    finished: list[UUID] = []

    async def on_expired(event: UploadExpired, work: UnitOfWork) -> None:
        entered.set()
        await go_on.wait()
        finished.append(event.upload_id)

    await harness.start({"gateway": {one_by_one(on_expired): (UploadExpired,)}})
    await harness.publish(expired())
    await entered.wait()
    stopping = asyncio.create_task(harness.bus.stop())
    await asyncio.sleep(0)
    assert not stopping.done()
    go_on.set()
    await stopping
    assert len(finished) == 1


async def test_a_stopped_bus_is_not_ready_and_takes_nothing(harness: Harness) -> None:
    await harness.start({"gateway": {Recorder(): (UploadExpired,)}})
    await harness.bus.check()
    await harness.bus.stop()
    with pytest.raises(BusUnavailableError):
        await harness.bus.check()
    (answer,) = await harness.bus.publish([envelop(expired(), source="session").encode()])
    assert isinstance(answer, BusUnavailableError)


async def test_events_of_one_aggregate_keep_their_order_where_nothing_fails(harness: Harness) -> None:
    seen: list[tuple[UUID, int]] = []

    async def on_expired(event: UploadExpired, work: UnitOfWork) -> None:
        seen.append((event.upload_id, event.version))

    await harness.start({"gateway": {one_by_one(on_expired): (UploadExpired,)}})
    first, second = expired(), expired()
    envelopes = [
        envelop(event, source="session").model_copy(update={"id": UUID(int=number * 10 + position), "data": data}).encode()
        for number in range(1, 21)
        for position, event in enumerate((first, second))
        for data in [event.model_copy(update={"version": number}).model_dump(mode="json")]
    ]
    assert set(await harness.bus.publish(envelopes)) == {None}
    await eventually(lambda: len(seen) == 40)
    for event in (first, second):
        assert [version for upload_id, version in seen if upload_id == event.upload_id] == list(range(1, 21))


def _empty(harness: Harness) -> Awaitable[bool]:
    async def is_empty() -> bool:
        return await harness.pending() == 0

    return is_empty()


def _postponed(harness: Harness, event_id: UUID, error: str) -> Awaitable[bool]:
    async def is_postponed() -> bool:
        async with harness.outbox.database.connection() as connection:
            rows = await connection.fetch("SELECT unnest(event_ids) AS event_id, last_error FROM outbox WHERE attempts > 0")
        return [(row["event_id"], row["last_error"].partition(":")[0]) for row in rows] == [(event_id, error)]

    return is_postponed()


def _dead(harness: Harness, service: str, count: int) -> Awaitable[bool]:
    async def are_dead() -> bool:
        return len(await harness.dead_letters(service).list()) == count

    return are_dead()

"""Batches, transactions and outcomes, on a real database and without a bus."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
from prometheus_client import REGISTRY

from contracts.envelope import EncodedEvent
from contracts.events import FileDeleted, UploadExpired
from libs.messaging.dispatch import consumer
from libs.messaging.handler import one_by_one
from libs.messaging.message import Message
from libs.messaging.port import Delivery, Outcome, Reject, Retry
from libs.observability.tracing import current_trace_id, span
from libs.outbox.unit_of_work import Outbox, UnitOfWork, envelop
from tests.contract.bus_harness import expired

OpenOutbox = Callable[[str], Awaitable[Outbox]]


def delivered(*events: UploadExpired) -> list[Delivery]:
    return [Delivery(envelop(event, source="session")) for event in events]


async def test_a_batch_is_one_transaction(open_outbox: OpenOutbox) -> None:
    transactions: list[int] = []

    async def handler(event: UploadExpired, work: UnitOfWork) -> None:
        transactions.append(await work.connection.fetchval("SELECT pg_current_xact_id()::text::bigint"))

    deliver = consumer(await open_outbox("gateway"), {one_by_one(handler): (UploadExpired,)})
    assert await deliver(delivered(*[expired() for _ in range(20)])) == [None] * 20
    assert len(transactions) == 20
    assert len(set(transactions)) == 1


async def test_each_message_of_a_failed_batch_gets_its_own_outcome(open_outbox: OpenOutbox) -> None:
    events = [expired() for _ in range(5)]
    errors = {events[1].upload_id: Retry(timedelta(seconds=1), "later"), events[2].upload_id: Reject("never")}
    errors[events[3].upload_id] = ValueError("broken")
    committed: list[UUID] = []

    async def handler(event: UploadExpired, work: UnitOfWork) -> None:
        if error := errors.get(event.upload_id):
            raise error
        committed.append(event.upload_id)

    deliver = consumer(await open_outbox("gateway"), {one_by_one(handler): (UploadExpired,)})
    outcomes = await deliver(delivered(*events))
    assert [type(outcome) for outcome in outcomes] == [type(None), Retry, Reject, ValueError, type(None)]
    assert {events[0].upload_id, events[4].upload_id} <= set(committed)


async def test_a_message_that_comes_twice_in_one_batch_is_handled_once(open_outbox: OpenOutbox) -> None:
    seen: list[UUID] = []

    async def handler(event: UploadExpired, work: UnitOfWork) -> None:
        seen.append(event.upload_id)

    deliver = consumer(await open_outbox("gateway"), {one_by_one(handler): (UploadExpired,)})
    event = expired()
    assert await deliver(delivered(event, expired(), event)) == [None] * 3
    assert seen.count(event.upload_id) == 1


async def test_what_cannot_be_read_is_rejected_and_its_neighbours_are_handled(open_outbox: OpenOutbox) -> None:
    seen: list[UUID] = []

    async def handler(event: UploadExpired, work: UnitOfWork) -> None:
        seen.append(event.upload_id)

    deliver = consumer(await open_outbox("gateway"), {one_by_one(handler): (UploadExpired,)})
    good, bad, unknown = delivered(expired(), expired(), expired())
    bad = Delivery(bad.envelope.model_copy(update={"data": {"upload_id": "no uuid"}}))
    unknown = Delivery(unknown.envelope.model_copy(update={"type": "upload.unheard-of.v9"}))
    outcomes: list[Outcome] = list(await deliver([bad, good, unknown]))
    assert [type(outcome) for outcome in outcomes] == [Reject, type(None), Reject]
    assert "no uuid" not in str(outcomes[0])
    assert seen == [UUID(good.envelope.subject)]


async def test_a_lost_connection_costs_no_attempt(open_outbox: OpenOutbox, database_dsn: str) -> None:
    """The session ends under the handler, as when the server is killed; the message is handled on a new one."""
    calls: list[UUID] = []

    async def handler(event: UploadExpired, work: UnitOfWork) -> None:
        calls.append(event.upload_id)
        if len(calls) == 1:
            await administrator.execute("SELECT pg_terminate_backend($1, 5000)", work.connection.get_server_pid())

    administrator = await asyncpg.connect(database_dsn)
    deliver = consumer(await open_outbox("gateway"), {one_by_one(handler): (UploadExpired,)})
    assert await deliver(delivered(expired())) == [None]
    assert len(calls) == 2
    await administrator.close()


async def test_what_is_emitted_belongs_to_the_trace_of_the_request_that_led_to_it(open_outbox: OpenOutbox) -> None:
    emitted: list[EncodedEvent] = []

    async def handler(messages: Sequence[Message[UploadExpired]], work: UnitOfWork) -> None:
        for message in messages:
            event = message.event
            work.emit(FileDeleted(upload_id=event.upload_id, tenant_id=event.tenant_id, version=9), cause=message.envelope)
        emitted.extend(work.emitted)

    deliver = consumer(await open_outbox("gateway"), {handler: (UploadExpired,)})
    deliveries, traces = [], []
    for _ in range(2):
        with span("request"):
            deliveries += delivered(expired())
            traces.append(current_trace_id())
    await deliver(deliveries)
    envelopes = [event.envelope for event in emitted]
    assert [envelope.correlation_id for envelope in envelopes] == traces
    assert [(envelope.traceparent or "")[3:35] for envelope in envelopes] == traces
    assert {envelope.causation_id for envelope in envelopes} == {str(delivery.envelope.id) for delivery in deliveries}
    spans = {envelope.traceparent for envelope in [*envelopes, *(delivery.envelope for delivery in deliveries)]}
    assert len(spans) == 4


async def test_of_a_batch_of_a_hundred_exactly_the_poisonous_message_fails(open_outbox: OpenOutbox) -> None:
    events = [expired() for _ in range(100)]
    poisonous = events[37].upload_id
    handled: set[UUID] = set()
    sizes: list[int] = []

    async def handler(messages: Sequence[Message[UploadExpired]], work: UnitOfWork) -> None:
        sizes.append(len(messages))
        if any(message.event.upload_id == poisonous for message in messages):
            raise ValueError("poison")
        handled.update(message.event.upload_id for message in messages)

    outbox = await open_outbox("gateway")
    outcomes = await consumer(outbox, {handler: (UploadExpired,)})(delivered(*events))
    assert [number for number, outcome in enumerate(outcomes) if outcome is not None] == [37]
    assert handled == {event.upload_id for event in events} - {poisonous}
    assert len(sizes) < 20, "it is found by halves, not one by one"
    async with outbox.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM inbox") == 99


async def test_a_handler_gets_all_events_of_its_types_in_one_call_and_in_their_order(open_outbox: OpenOutbox) -> None:
    calls: list[list[str]] = []

    async def first(messages: Sequence[Message[Any]], work: UnitOfWork) -> None:
        calls.append([message.event.type for message in messages])

    async def second(messages: Sequence[Message[Any]], work: UnitOfWork) -> None:
        calls.append([message.event.type for message in messages])

    upload = expired()
    deleted = FileDeleted(upload_id=upload.upload_id, tenant_id=upload.tenant_id, version=9)
    outbox = await open_outbox("gateway")
    deliver = consumer(outbox, {first: (UploadExpired, FileDeleted), second: (FileDeleted,)})
    assert await deliver([Delivery(envelop(event, source="session")) for event in (deleted, upload)]) == [None, None]
    assert calls == [[FileDeleted.type, UploadExpired.type], [FileDeleted.type]]


async def test_outcomes_are_counted(open_outbox: OpenOutbox) -> None:
    async def handler(event: UploadExpired, work: UnitOfWork) -> None:
        raise Reject("never")

    labels = {"service": "gateway", "type": UploadExpired.type, "outcome": "rejected"}
    before = REGISTRY.get_sample_value("longshore_consumed_total", labels) or 0
    await consumer(await open_outbox("gateway"), {one_by_one(handler): (UploadExpired,)})(delivered(expired()))
    assert REGISTRY.get_sample_value("longshore_consumed_total", labels) == before + 1

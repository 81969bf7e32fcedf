"""Batches, transactions and outcomes, on a real database and without a bus."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import asyncpg
from prometheus_client import REGISTRY

from contracts.events import UploadExpired
from libs.messaging.dispatch import consumer
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

    deliver = consumer(await open_outbox("gateway"), {UploadExpired: handler})
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

    deliver = consumer(await open_outbox("gateway"), {UploadExpired: handler})
    outcomes = await deliver(delivered(*events))
    assert [type(outcome) for outcome in outcomes] == [type(None), Retry, Reject, ValueError, type(None)]
    assert {events[0].upload_id, events[4].upload_id} <= set(committed)


async def test_a_message_that_comes_twice_in_one_batch_is_handled_once(open_outbox: OpenOutbox) -> None:
    seen: list[UUID] = []

    async def handler(event: UploadExpired, work: UnitOfWork) -> None:
        seen.append(event.upload_id)

    deliver = consumer(await open_outbox("gateway"), {UploadExpired: handler})
    event = expired()
    assert await deliver(delivered(event, expired(), event)) == [None] * 3
    assert seen.count(event.upload_id) == 1


async def test_what_cannot_be_read_is_rejected_and_its_neighbours_are_handled(open_outbox: OpenOutbox) -> None:
    seen: list[UUID] = []

    async def handler(event: UploadExpired, work: UnitOfWork) -> None:
        seen.append(event.upload_id)

    deliver = consumer(await open_outbox("gateway"), {UploadExpired: handler})
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
    deliver = consumer(await open_outbox("gateway"), {UploadExpired: handler})
    assert await deliver(delivered(expired())) == [None]
    assert len(calls) == 2
    await administrator.close()


async def test_a_handler_runs_in_the_trace_of_the_request_that_led_to_it(open_outbox: OpenOutbox) -> None:
    traces: list[str] = []

    async def handler(event: UploadExpired, work: UnitOfWork) -> None:
        traces.append(current_trace_id())

    deliver = consumer(await open_outbox("gateway"), {UploadExpired: handler})
    with span("request"):
        (delivery,) = delivered(expired())
        trace_id = current_trace_id()
    await deliver([delivery])
    assert traces == [trace_id]


async def test_outcomes_are_counted(open_outbox: OpenOutbox) -> None:
    async def handler(event: UploadExpired, work: UnitOfWork) -> None:
        raise Reject("never")

    labels = {"service": "gateway", "type": UploadExpired.type, "outcome": "rejected"}
    before = REGISTRY.get_sample_value("longshore_consumed_total", labels) or 0
    await consumer(await open_outbox("gateway"), {UploadExpired: handler})(delivered(expired()))
    assert REGISTRY.get_sample_value("longshore_consumed_total", labels) == before + 1

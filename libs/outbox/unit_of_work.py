"""One transaction that changes state and says so.

Everything that changes a service's state (an HTTP edge, an event handler, a job) does it inside a unit of work. Events
that it emits are inserted into the outbox just before the commit; after the commit the relay and the named loops are woken.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TypedDict
from uuid import UUID

from contracts.envelope import EncodedEvent, Envelope
from contracts.events import Event
from libs.observability.tracing import caused_traceparent, current_trace_id, current_traceparent
from libs.postgres.database import Connection, Database
from libs.runtime.wakeup import Wakeups

RELAY = "outbox.relay"
"""The wake-up that the relay waits for."""

EVENTS_PER_ROW = 25
"""So many share a row of the outbox: enough to be compressed well, few enough to be published and repeated as one."""

INSERT_OUTBOX = f"""
    INSERT INTO outbox (event_ids, event_types, envelopes)
    SELECT array_agg(id ORDER BY place), array_agg(type ORDER BY place), array_agg(envelope ORDER BY place)
    FROM unnest($1::uuid[], $2::text[], $3::text[]) WITH ORDINALITY AS event (id, type, envelope, place)
    GROUP BY (place - 1) / {EVENTS_PER_ROW} ORDER BY (place - 1) / {EVENTS_PER_ROW}
"""


def columns(events: Sequence[EncodedEvent]) -> tuple[list[UUID], list[str], list[str]]:
    """What the outbox holds of these events: their ids, types and envelopes."""
    return [event.id for event in events], [event.type for event in events], [event.body for event in events]


@dataclass
class UnitOfWork:
    """What a handler gets: a connection inside a transaction, and a way to say what happened."""

    connection: Connection
    source: str
    cause: Envelope | None = None
    """The message being handled, where a handler takes one after the other (`caused_by`)."""
    emitted: list[EncodedEvent] = field(default_factory=list)
    """What `emit` collected; whoever commits writes it (`Outbox.write`)."""
    wakes: set[str] = field(default_factory=set)

    def emit(self, event: Event, cause: Envelope | None = None) -> None:
        """Publishes `event` if, and only if, this transaction commits. `cause`: the message that led to it."""
        self.emitted.append(encode_event(event, source=self.source, cause=cause or self.cause))
        self.wakes.add(RELAY)

    def wake(self, name: str) -> None:
        """Wakes a loop of this service after the commit."""
        self.wakes.add(name)

    @contextmanager
    def caused_by(self, message: Envelope) -> Iterator[None]:
        """What is emitted within the block was caused by `message`."""
        self.cause = message
        try:
            yield
        finally:
            self.cause = None


def encode_event(event: Event, *, source: str, cause: Envelope | None = None) -> EncodedEvent:
    """The event in its envelope, as it travels: of the trace of its cause, or of what is going on now where there is none."""
    return EncodedEvent.of(event, source=source, **_context(cause))


def envelop(event: Event, *, source: str, cause: Envelope | None = None) -> Envelope:
    """The same, to be read."""
    return Envelope.of(event, source=source, **_context(cause))


class _Context(TypedDict):
    correlation_id: str
    causation_id: str | None
    traceparent: str | None


def _context(cause: Envelope | None) -> _Context:
    return {
        "correlation_id": cause.correlation_id if cause else current_trace_id(),
        "causation_id": str(cause.id) if cause else None,
        "traceparent": caused_traceparent(cause.traceparent) if cause else current_traceparent(),
    }


class Outbox:
    """Opens units of work for one service."""

    def __init__(self, database: Database, wakeups: Wakeups) -> None:
        self.database = database
        self.wakeups = wakeups

    @asynccontextmanager
    async def unit_of_work(self, cause: Envelope | None = None) -> AsyncIterator[UnitOfWork]:
        async with self.database.transaction() as connection:
            work = UnitOfWork(connection, source=self.database.service, cause=cause)
            yield work
            await self.write(connection, work.emitted)
        self.woken(work)

    async def write(self, connection: Connection, events: Sequence[EncodedEvent]) -> None:
        """Inserts outbox rows. An event that still waits there is published twice; whoever handles it knows its id by then."""
        if events:
            await connection.execute(INSERT_OUTBOX, *columns(events))

    def woken(self, work: UnitOfWork) -> None:
        """Sets the wake-ups that `work` asked for; to be called after its commit."""
        for name in work.wakes:
            self.wakeups.wake(name)

"""One transaction that changes state and says so.

Everything that changes a service's state (an HTTP edge, an event handler, a job) does it inside a unit of work. Events
that it emits are inserted into the outbox just before the commit; after the commit the relay and the named loops are woken.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from contracts.envelope import Envelope
from contracts.events import Event
from libs.observability.tracing import current_trace_id, current_traceparent
from libs.postgres.database import Connection, Database
from libs.runtime.wakeup import Wakeups

RELAY = "outbox.relay"
"""The wake-up that the relay waits for."""

INSERT_OUTBOX = """
    INSERT INTO outbox (event_id, envelope)
    SELECT * FROM unnest($1::uuid[], $2::text[])
    ON CONFLICT (event_id) DO NOTHING
"""


@dataclass
class UnitOfWork:
    """What a handler gets: a connection inside a transaction, and a way to say what happened."""

    connection: Connection
    source: str
    cause: Envelope | None = None
    """The message being handled; None at HTTP edges and in jobs."""
    emitted: list[Envelope] = field(default_factory=list)
    """What `emit` collected; whoever commits writes it (`Outbox.write`)."""
    wakes: set[str] = field(default_factory=set)

    def emit(self, event: Event) -> None:
        """Publishes `event` if, and only if, this transaction commits."""
        self.emitted.append(envelop(event, source=self.source, cause=self.cause))
        self.wakes.add(RELAY)

    def wake(self, name: str) -> None:
        """Wakes a loop of this service after the commit."""
        self.wakes.add(name)


def envelop(event: Event, *, source: str, cause: Envelope | None = None) -> Envelope:
    return Envelope.of(
        event,
        source=source,
        correlation_id=cause.correlation_id if cause else current_trace_id(),
        causation_id=str(cause.id) if cause else None,
        traceparent=current_traceparent(),
    )


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

    async def write(self, connection: Connection, envelopes: Sequence[Envelope]) -> None:
        """Inserts outbox rows; an event that still waits there is not inserted twice."""
        if envelopes:
            await connection.execute(INSERT_OUTBOX, [e.id for e in envelopes], [e.model_dump_json() for e in envelopes])

    def woken(self, work: UnitOfWork) -> None:
        """Sets the wake-ups that `work` asked for; to be called after its commit."""
        for name in work.wakes:
            self.wakeups.wake(name)

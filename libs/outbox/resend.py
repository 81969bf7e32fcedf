"""Publishes again what a broker has confirmed and lost, so that a broker that lost everything is a delay and not a loss.

The relay leaves confirmed events in the outbox for `KEPT`. As long as the broker holds the data that it held before, nothing
is said twice. `Bus.generation` names that data: where the name has changed, all that was sent before is published again, word
for word, with ids and times as they were, so whoever handled an event ignores it (`libs.outbox.inbox`).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from contracts.envelope import EncodedEvent
from libs.messaging.port import Bus, BusUnavailableError
from libs.outbox import metric
from libs.outbox.relay import ask, encoded
from libs.outbox.unit_of_work import Outbox
from libs.postgres.database import Connection

log = structlog.get_logger()

KEPT = timedelta(hours=1)
"""A consumer that was farther behind when the broker lost its data has lost events."""
PASSES = (timedelta(0), timedelta(minutes=1))
"""When each pass over the sent events begins, after the loss was found. The last one finds what a relay was sending meanwhile:
its transaction is longer than none (`relay.PUBLISH_SECONDS`)."""

ROWS = 40
"""In one batch. Under load each holds up to `EVENTS_PER_ROW` events."""
PURGE_BATCH = 1_000
PAUSE_SECONDS = 0.05
"""Between batches: what is said for the first time goes first."""
POLL_SECONDS = 10

START = "INSERT INTO broker_generation DEFAULT VALUES ON CONFLICT DO NOTHING"
STATE = "SELECT known, found, found_at, passes, sent_at, row_id, now() AS now FROM broker_generation FOR UPDATE SKIP LOCKED"
FOUND = """
    UPDATE broker_generation
    SET found = $1, found_at = now(), passes = 0, sent_at = DEFAULT, row_id = DEFAULT
"""
MOVE = "UPDATE broker_generation SET sent_at = $1, row_id = $2"
PASSED = "UPDATE broker_generation SET passes = passes + 1, sent_at = DEFAULT, row_id = DEFAULT"
KNOWN = (
    "UPDATE broker_generation SET known = $1, found = NULL, found_at = NULL, passes = 0, sent_at = DEFAULT, row_id = DEFAULT"
)
FORGET_GENERATION = "UPDATE broker_generation SET known = NULL"
SENT_BEFORE = """
    SELECT id, sent_at, event_ids, event_types, envelopes FROM outbox
    WHERE (sent_at, id) > ($1, $2) AND sent_at <= $3 ORDER BY sent_at, id LIMIT $4
"""
PURGE = """
    DELETE FROM outbox WHERE id = ANY (ARRAY(
        SELECT id FROM outbox WHERE sent_at < now() - $1::interval ORDER BY sent_at, id LIMIT $2
    ))
"""


@dataclass(frozen=True)
class State:
    """What this service knows of the broker's data."""

    known: str | None
    """The generation for which all is well."""
    found: str | None
    """Another one, since `found_at`: `passes` over what was sent before are done, the next one came as far as `position`."""
    found_at: datetime | None
    passes: int
    position: tuple[datetime, int]
    now: datetime


class Resend:
    """Of one service. Several may run at once: the state belongs to whoever holds its row."""

    def __init__(self, outbox: Outbox, bus: Bus, passes: Sequence[timedelta] = PASSES) -> None:
        self._outbox = outbox
        self._bus = bus
        self._passes = passes
        self._service = outbox.database.service

    async def run(self) -> None:
        while True:
            pause: float = POLL_SECONDS
            try:
                if await self.once():
                    pause = PAUSE_SECONDS
            except BusUnavailableError as error:
                log.warning("resend.waiting", service=self._service, error=str(error))
            await asyncio.sleep(pause)

    async def once(self) -> bool:
        """A batch of what is to be published again or forgotten; False when there is nothing more to do now.

        Raises:
            BusUnavailableError: all stays as it was.
        """
        generation = await self._bus.generation()
        async with self._outbox.database.transaction() as connection:
            state = await _state(connection)
            if state is None:
                return False
            if generation == state.known:
                return await self._purge(connection)
            if generation != state.found:
                log.warning("broker.generation_changed", service=self._service, known=state.known, found=generation)
                await connection.execute(FOUND, generation)
                return True
            return await self._resend(connection, state)

    async def _resend(self, connection: Connection, state: State) -> bool:
        if state.passes == len(self._passes):
            await connection.execute(KNOWN, state.found)
            log.info("resend.completed", service=self._service)
            return True
        assert state.found_at is not None
        if state.now < state.found_at + self._passes[state.passes]:
            return False
        rows = await connection.fetch(SENT_BEFORE, *state.position, state.found_at, ROWS)
        if not rows:
            await connection.execute(PASSED)
            return True
        events = [event for row in rows for event in encoded(row)]
        await self._publish(connection, events)
        await connection.execute(MOVE, rows[-1]["sent_at"], rows[-1]["id"])
        metric.RESENT.labels(self._service).inc(len(events))
        return True

    async def _publish(self, connection: Connection, events: Sequence[EncodedEvent]) -> None:
        """What the bus does not take for its own sake waits in the outbox once more, where the relay goes on trying."""
        answers = await ask(self._bus, events)
        for answer in answers:
            if isinstance(answer, BusUnavailableError):
                raise answer
        refused = [event for event, answer in zip(events, answers, strict=True) if answer is not None]
        await self._outbox.write(connection, refused)

    async def _purge(self, connection: Connection) -> bool:
        return int((await connection.execute(PURGE, KEPT, PURGE_BATCH)).split()[-1]) == PURGE_BATCH


async def resend_all(outbox: Outbox) -> None:
    """Has everything that is kept published again, e.g. after somebody has purged a queue."""
    async with outbox.database.connection() as connection:
        await connection.execute(FORGET_GENERATION)


async def _state(connection: Connection) -> State | None:
    """None while another replica holds it."""
    await connection.execute(START)
    row = await connection.fetchrow(STATE)
    if row is None:
        return None
    position = (row["sent_at"], row["row_id"])
    return State(row["known"], row["found"], row["found_at"], row["passes"], position, row["now"])

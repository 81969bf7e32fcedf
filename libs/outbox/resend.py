"""Publishes again what a broker has confirmed, so that a broker that lost everything is a delay and not a loss.

The relay keeps confirmed events in `sent_events`. Three rounds go through them 2 min, 10 min and 1 h after they were sent; each
remembers how far it came and reads on from there: no row is written for being sent again. The last round forgets what it
has sent. Envelopes go out as they were, ids and times too, so whoever handled one ignores it (`libs.outbox.inbox`).
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from libs.messaging.port import Bus, BusUnavailableError
from libs.outbox import metric
from libs.outbox.relay import ask, encoded
from libs.outbox.unit_of_work import Outbox
from libs.postgres.database import Connection

log = structlog.get_logger()

DELAYS = (timedelta(minutes=2), timedelta(minutes=10), timedelta(hours=1))
"""Longer than any transaction of the relay: nothing is committed behind a round's position."""

BATCH = 200
PAUSE_SECONDS = 0.05
"""Between batches: what is said for the first time goes first."""
POLL_SECONDS = 10

START = "INSERT INTO sent_rounds (delay_seconds) VALUES ($1) ON CONFLICT DO NOTHING"
LOCK = "SELECT sent_at, event_id FROM sent_rounds WHERE delay_seconds = $1 FOR UPDATE SKIP LOCKED"
DUE = """
    SELECT sent_at, event_id, event_type, envelope FROM sent_events
    WHERE (sent_at, event_id) > ($1, $2) AND sent_at <= now() - $3::interval
    ORDER BY sent_at, event_id LIMIT $4
"""
MOVE = "UPDATE sent_rounds SET sent_at = $2, event_id = $3 WHERE delay_seconds = $1"
FORGET = "DELETE FROM sent_events WHERE (sent_at, event_id) <= ($1, $2)"


class Resend:
    """All rounds of one service. Several may run at once: a round belongs to whoever holds its position."""

    def __init__(self, outbox: Outbox, bus: Bus, delays: Sequence[timedelta] = DELAYS) -> None:
        self._outbox = outbox
        self._bus = bus
        self._delays = delays
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
        """A batch of each round; False when none of them was full.

        Raises:
            BusUnavailableError: the round stays where it was.
        """
        counts = [await self._round(delay) for delay in self._delays]
        return BATCH in counts

    async def _round(self, delay: timedelta) -> int:
        seconds = int(delay.total_seconds())
        async with self._outbox.database.transaction() as connection:
            await connection.execute(START, seconds)
            position = await connection.fetchrow(LOCK, seconds)
            if position is None:
                return 0
            rows = await connection.fetch(DUE, position["sent_at"], position["event_id"], delay, BATCH)
            if not rows:
                return 0
            await self._publish(connection, rows)
            reached: tuple[datetime, UUID] = (rows[-1]["sent_at"], rows[-1]["event_id"])
            await connection.execute(MOVE, seconds, *reached)
            if delay == self._delays[-1]:
                await connection.execute(FORGET, *reached)
        metric.RESENT.labels(self._service).inc(len(rows))
        return len(rows)

    async def _publish(self, connection: Connection, rows: Sequence[Any]) -> None:
        """What the bus does not take for its own sake goes back to the outbox, where the relay goes on trying."""
        events = [encoded(row) for row in rows]
        answers = await ask(self._bus, events)
        for answer in answers:
            if isinstance(answer, BusUnavailableError):
                raise answer
        refused = [event for event, answer in zip(events, answers, strict=True) if answer is not None]
        await self._outbox.write(connection, refused)

"""From the outbox to the bus: claim a batch, publish it, delete what the bus has confirmed, all in one transaction.

Where the bus is a broker that could lose what it confirmed, that is kept a while (`libs.outbox.resend`).

The rows stay locked while they are published, so several relays share the work (`SKIP LOCKED`) and a crash frees them at
once: they are published again under the same ids. A row is never dropped: what keeps failing stays, with a longer and longer
pause, and shows in `longshore_outbox_stuck`.
"""

import asyncio
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog

from contracts.envelope import EncodedEvent
from libs.messaging.port import Bus, BusUnavailableError, Retry
from libs.messaging.retry import reason
from libs.outbox import metric
from libs.outbox.unit_of_work import RELAY, Outbox
from libs.postgres.database import Connection
from libs.runtime.pace import Pace

log = structlog.get_logger()

BATCH = 200
PUBLISH_SECONDS = 30
"""The bus answers long before; half of the session's idle-in-transaction limit."""
SHORTEST_POLL, LONGEST_POLL = 0.2, 2.0
MEASURE_EVERY_SECONDS = 10
STUCK_ATTEMPTS = 20

CLAIM = """
    SELECT id, event_id, event_type, envelope, attempts FROM outbox WHERE next_at <= now()
    ORDER BY next_at, id LIMIT $1 FOR UPDATE SKIP LOCKED
"""
DELETE = "DELETE FROM outbox WHERE id = ANY($1::bigint[])"
KEEP = f"""
    WITH taken AS ({DELETE} RETURNING event_id, event_type, envelope)
    INSERT INTO sent_events (event_id, event_type, envelope)
    SELECT event_id, event_type, envelope FROM taken ON CONFLICT DO NOTHING
"""
POSTPONE = """
    UPDATE outbox SET attempts = attempts + 1, last_error = failed.error, next_at = clock_timestamp() + failed.pause
    FROM unnest($1::bigint[], $2::interval[], $3::text[]) AS failed (id, pause, error) WHERE outbox.id = failed.id
"""
"""`clock_timestamp()`: the transaction began before the publication."""
MEASURE = """
    SELECT count(*) AS pending, count(*) FILTER (WHERE attempts >= $1) AS stuck,
           coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS oldest FROM outbox
"""


@dataclass(frozen=True)
class Failed:
    row_id: int
    attempts: int
    """Including this one."""
    error: Exception

    @property
    def pause(self) -> float:
        """Seconds: what the bus asked for, else 1 s doubling to 5 min, with jitter."""
        if isinstance(self.error, Retry):
            return self.error.delay.total_seconds()
        return min(2.0 ** min(self.attempts - 1, 10), 300) * random.uniform(0.8, 1.2)  # noqa: S311

    @property
    def words(self) -> str:
        return reason(self.error)


class Relay:
    """The relay of one service's outbox. Several may run at once, in one process or many.

    `keep`: what was sent stays in `sent_events`, for `Resend`, which also ends it there.
    """

    def __init__(self, outbox: Outbox, bus: Bus, *, keep: bool = False) -> None:
        self._outbox = outbox
        self._bus = bus
        self._done = KEEP if keep else DELETE
        self._service = outbox.database.service
        self._measure_at = 0.0
        self._pace = Pace()

    async def run(self) -> None:
        pause = SHORTEST_POLL
        while True:
            await self._measure()
            await self._pace.rest()
            try:
                with self._pace.batch():
                    count = await self.once()
            except BusUnavailableError as error:
                log.warning("relay.waiting", service=self._service, error=str(error))
                await asyncio.sleep(pause)
            else:
                if count == BATCH:
                    continue
                if count:
                    pause = SHORTEST_POLL
                await self._outbox.wakeups.wait(RELAY, timeout=pause)
            pause = min(pause * 2, LONGEST_POLL)

    async def once(self) -> int:
        """Publishes one batch; answers how many rows it deleted or postponed.

        Raises:
            BusUnavailableError: some could not be published for a reason that is not theirs; they are due at once.
        """
        async with self._outbox.database.transaction() as connection:
            rows = await connection.fetch(CLAIM, BATCH)
            if not rows:
                return 0
            answers = await ask(self._bus, [encoded(row) for row in rows])
            taken = [row["id"] for row, answer in zip(rows, answers, strict=True) if answer is None]
            failed = [
                Failed(row["id"], row["attempts"] + 1, answer)
                for row, answer in zip(rows, answers, strict=True)
                if answer is not None and not isinstance(answer, BusUnavailableError)
            ]
            await connection.execute(self._done, taken)
            await self._postpone(connection, failed)
        metric.PUBLISHED.labels(self._service).inc(len(taken))
        for answer in answers:
            if isinstance(answer, BusUnavailableError):
                raise answer
        return len(rows)

    async def _postpone(self, connection: Connection, failed: Sequence[Failed]) -> None:
        if not failed:
            return
        pauses = [timedelta(seconds=failure.pause) for failure in failed]
        await connection.execute(POSTPONE, [f.row_id for f in failed], pauses, [f.words for f in failed])
        metric.POSTPONED.labels(self._service).inc(len(failed))
        for failure in failed:
            level = logging.ERROR if failure.attempts >= STUCK_ATTEMPTS else logging.INFO
            log.log(level, "relay.postponed", service=self._service, attempts=failure.attempts, error=failure.words)

    async def _measure(self) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._measure_at:
            return
        self._measure_at = now + MEASURE_EVERY_SECONDS
        async with self._outbox.database.connection() as connection:
            (row,) = await connection.fetch(MEASURE, STUCK_ATTEMPTS)
        metric.PENDING.labels(self._service).set(row["pending"])
        metric.STUCK.labels(self._service).set(row["stuck"])
        metric.OLDEST.labels(self._service).set(row["oldest"])


def encoded(row: Any) -> EncodedEvent:
    """Of a row of `outbox` or `sent_events`."""
    return EncodedEvent(row["event_id"], row["event_type"], row["envelope"])


async def ask(bus: Bus, events: Sequence[EncodedEvent]) -> Sequence[Exception | None]:
    """Publishes with an end: a bus that does not answer in time is unavailable."""
    try:
        async with asyncio.timeout(PUBLISH_SECONDS):
            return await bus.publish(events)
    except TimeoutError:
        return [BusUnavailableError(f"no answer within {PUBLISH_SECONDS} s")] * len(events)

"""From the outbox to the bus: claim rows, publish their events, and delete or mark what the bus has confirmed, all in one
transaction.

A row holds events that were emitted together. Where the bus is a broker that could lose what it confirmed, a row that was
sent stays a while (`libs.outbox.resend`).

The rows stay locked while they are published, so several relays share the work (`SKIP LOCKED`) and a crash frees them at
once: they are published again under the same ids. An event is never dropped: what keeps failing stays in a row of its own,
with a longer and longer pause, and shows in `longshore_outbox_stuck`.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import Any

import structlog

from contracts.envelope import EncodedEvent
from libs.messaging.port import Bus, BusUnavailableError, Retry
from libs.messaging.retry import reason
from libs.outbox import metric
from libs.outbox.unit_of_work import RELAY, Outbox, columns
from libs.postgres.database import Connection
from libs.runtime.pace import Pace
from libs.runtime.poll import Poll

log = structlog.get_logger()

ROWS = 40
"""In one batch. Under load each holds up to `EVENTS_PER_ROW` events."""
PUBLISH_SECONDS = 30
"""The bus answers long before; half of the session's idle-in-transaction limit."""
SHORTEST_POLL, LONGEST_POLL = 0.2, 10.0
LONGEST_RETRY = 2.0
"""Seconds until a bus that was away is asked again."""
MEASURE_EVERY_SECONDS = 10
STUCK_ATTEMPTS = 20

CLAIM = """
    SELECT id, event_ids, event_types, envelopes, attempts, created_at FROM outbox
    WHERE sent_at IS NULL AND next_at <= now() ORDER BY next_at, id LIMIT $1 FOR UPDATE SKIP LOCKED
"""
DELETE = "DELETE FROM outbox WHERE id = ANY($1::bigint[])"
KEEP = "UPDATE outbox SET sent_at = now() WHERE id = ANY($1::bigint[])"
"""What is long is not written again: it lies outside the row."""
INSERT_PART = """
    INSERT INTO outbox (event_ids, event_types, envelopes, created_at, attempts, last_error, next_at, sent_at)
    VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp() + $7, CASE WHEN $8 THEN now() END)
"""
"""`clock_timestamp()`: the transaction began before the publication."""
MEASURE = """
    SELECT coalesce(sum(event_count), 0) AS pending, count(*) FILTER (WHERE attempts >= $1) AS stuck,
           coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS oldest,
           coalesce(min(next_at) <= now(), false) AS is_due
    FROM outbox WHERE sent_at IS NULL
"""


Answer = Exception | None


@dataclass(frozen=True)
class Failed:
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


@dataclass(frozen=True)
class Row:
    """A row of the outbox, with what the bus answered about each of its events."""

    id: int
    attempts: int
    created_at: datetime
    events: Sequence[EncodedEvent]
    answers: Sequence[Answer]

    def select(self, matches: Callable[[Answer], bool]) -> list[EncodedEvent]:
        return [event for event, answer in zip(self.events, self.answers, strict=True) if matches(answer)]

    @property
    def is_taken(self) -> bool:
        return all(answer is None for answer in self.answers)

    @property
    def is_untouched(self) -> bool:
        """The bus was away: no event of it had its chance."""
        return all(map(is_away, self.answers))

    def failures(self) -> Iterator[tuple[EncodedEvent, Failed]]:
        for event, answer in zip(self.events, self.answers, strict=True):
            if answer is not None and not is_away(answer):
                yield event, Failed(self.attempts + 1, answer)


class Relay:
    """The relay of one service's outbox. Several may run at once, in one process or many.

    `keep`: what was sent stays in the outbox, for `Resend`, which also deletes it there.
    """

    def __init__(self, outbox: Outbox, bus: Bus, *, keep: bool = False) -> None:
        self._outbox = outbox
        self._bus = bus
        self._keep = keep
        self._service = outbox.database.service
        self._measure_at = 0.0
        self._pace = Pace()

    async def run(self) -> None:
        poll = Poll(SHORTEST_POLL, LONGEST_POLL)
        while True:
            if self._is_measuring_due():
                await self._measure()
            await self._pace.rest()
            try:
                with self._pace.batch():
                    rows = await self._publish_due()
            except BusUnavailableError as error:
                log.warning("relay.waiting", service=self._service, error=str(error))
                await asyncio.sleep(min(poll.next_pause(), LONGEST_RETRY))
            else:
                if rows:
                    poll.restart()
                if len(rows) < ROWS:
                    await self._wait(poll)

    async def _wait(self, poll: Poll) -> None:
        """Until something was emitted or became due: one statement at each look, no transaction."""
        while not await self._outbox.wakeups.wait(RELAY, timeout=poll.next_pause()):
            if await self._measure():
                return
        poll.restart()

    async def once(self) -> int:
        """Publishes one batch; answers how many events it published or postponed.

        Raises:
            BusUnavailableError: some could not be published for a reason that is not theirs; they are due at once.
        """
        return sum(len(row.events) for row in await self._publish_due())

    async def _publish_due(self) -> Sequence[Row]:
        async with self._outbox.database.transaction() as connection:
            claimed = await connection.fetch(CLAIM, ROWS)
            if not claimed:
                return []
            events = [encoded(row) for row in claimed]
            answers = iter(await ask(self._bus, list(chain.from_iterable(events))))
            rows = [
                Row(row["id"], row["attempts"], row["created_at"], of_row, list(islice(answers, len(of_row))))
                for row, of_row in zip(claimed, events, strict=True)
            ]
            await connection.execute(KEEP if self._keep else DELETE, [row.id for row in rows if row.is_taken])
            await self._split(connection, [row for row in rows if not row.is_taken and not row.is_untouched])
        metric.PUBLISHED.labels(self._service).inc(sum(answer is None for row in rows for answer in row.answers))
        for away in (answer for row in rows for answer in row.answers if is_away(answer)):
            assert away is not None
            raise away
        return rows

    async def _split(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Each event that failed gets a row of its own; the others of its row stay together."""
        if not rows:
            return
        parts: list[tuple[Any, ...]] = []
        for row in rows:
            if self._keep and (taken := row.select(lambda answer: answer is None)):
                parts.append((*columns(taken), row.created_at, row.attempts, None, timedelta(0), True))
            if waiting := row.select(is_away):
                parts.append((*columns(waiting), row.created_at, row.attempts, None, timedelta(0), False))
            for event, failed in row.failures():
                pause = timedelta(seconds=failed.pause)
                parts.append((*columns([event]), row.created_at, failed.attempts, failed.words, pause, False))
                self._tell(failed)
        await connection.execute(DELETE, [row.id for row in rows])
        if parts:
            await connection.executemany(INSERT_PART, parts)

    def _tell(self, failed: Failed) -> None:
        metric.POSTPONED.labels(self._service).inc()
        level = logging.ERROR if failed.attempts >= STUCK_ATTEMPTS else logging.INFO
        log.log(level, "relay.postponed", service=self._service, attempts=failed.attempts, error=failed.words)

    def _is_measuring_due(self) -> bool:
        return asyncio.get_running_loop().time() >= self._measure_at

    async def _measure(self) -> bool:
        """Shows how much waits; answers whether something is due."""
        self._measure_at = asyncio.get_running_loop().time() + MEASURE_EVERY_SECONDS
        async with self._outbox.database.connection() as connection:
            (row,) = await connection.fetch(MEASURE, STUCK_ATTEMPTS)
        metric.PENDING.labels(self._service).set(row["pending"])
        metric.STUCK.labels(self._service).set(row["stuck"])
        metric.OLDEST.labels(self._service).set(row["oldest"])
        return bool(row["is_due"])


def encoded(row: Any) -> list[EncodedEvent]:
    """The events of a row of the outbox."""
    return list(map(EncodedEvent, row["event_ids"], row["event_types"], row["envelopes"]))


def is_away(answer: Answer) -> bool:
    return isinstance(answer, BusUnavailableError)


async def ask(bus: Bus, events: Sequence[EncodedEvent]) -> Sequence[Exception | None]:
    """Publishes with an end: a bus that does not answer in time is unavailable."""
    try:
        async with asyncio.timeout(PUBLISH_SECONDS):
            return await bus.publish(events)
    except TimeoutError:
        return [BusUnavailableError(f"no answer within {PUBLISH_SECONDS} s")] * len(events)

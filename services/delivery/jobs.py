"""Timers in: webhooks that are due, and maintenance."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

import structlog

from libs.outbox.unit_of_work import Outbox
from libs.postgres.database import TRANSIENT_ERRORS
from libs.runtime.pace import Pace
from services.delivery import metrics
from services.delivery.adapters.receiver import Receivers
from services.delivery.domain.receiver_limit import ReceiverLimits
from services.delivery.domain.schedule import Schedule
from services.delivery.domain.slot import Queue, share_slots
from services.delivery.domain.webhook import WEBHOOKS, Attempt, step_after
from services.delivery.store import FIRST_QUEUE, Claimed, DeliveryStore, Result
from services.delivery.usecases.attempt_recording import AttemptRecorder

log = structlog.get_logger()

DRAIN_SECONDS: Final = 3.0
IDLE_SECONDS: Final = 5.0
"""Where nothing is due: the longest time in which this process does not see what others have not got round to."""
PURGE_SECONDS: Final = 30.0
PURGE_BATCH: Final = 1000


class Sender:
    """Claims what is due, as much as there are slots for, sends each by itself, and has recorded what came of them together.

    Claiming and recording are short transactions, and nothing is sent inside one. A process that dies in between leaves
    leases: when they end, the same bytes go out again under the same id.
    """

    def __init__(
        self,
        outbox: Outbox,
        receivers: Receivers,
        schedule: Schedule,
        *,
        concurrency: int,
        receiver_concurrency: int,
        lease_seconds: float,
        poll_seconds: float,
        failure_window: timedelta,
        drain_seconds: float = DRAIN_SECONDS,
    ) -> None:
        self._outbox = outbox
        self._receivers = receivers
        self._schedule = schedule
        self._concurrency = concurrency
        self._lease_seconds = lease_seconds
        self._poll_seconds = poll_seconds
        self._drain_seconds = drain_seconds
        self._limits = ReceiverLimits(receiver_concurrency)
        self._recorder = AttemptRecorder(outbox, failure_window=failure_window)
        self._sending: dict[asyncio.Task[None], Claimed] = {}
        self._running: Counter[Queue] = Counter()
        self._after = FIRST_QUEUE
        self._pause_seconds = poll_seconds

    async def run(self) -> None:
        recording = asyncio.create_task(self._recorder.run(), name="webhooks.record")
        pace = Pace()
        try:
            while True:
                if recording.done():
                    recording.result()
                await pace.rest()
                with pace.batch():
                    may_be_more = await self._start_some()
                if not may_be_more:
                    await self._outbox.wakeups.wait(WEBHOOKS, timeout=self._pause_seconds)
        finally:
            recording.cancel()
            await asyncio.wait([recording])
            await self._drain()

    async def _start_some(self) -> bool:
        try:
            return await self.start_due() > 0 or self._after is not FIRST_QUEUE
        except TRANSIENT_ERRORS as error:  # must not end the attempts under way
            log.warning("webhooks.claim_postponed", error=type(error).__name__)
            self._pause_seconds = self._poll_seconds
            return False

    async def once(self) -> bool:
        """Sends what is due and records it, to the end; False when nothing was due."""
        started = await self.start_due()
        while self._sending:
            await asyncio.wait(self._sending)
        await self._recorder.record()
        return started > 0

    async def record(self) -> None:
        await self._recorder.record()

    @property
    def sending(self) -> int:
        """Attempts under way."""
        return len(self._sending)

    async def start_due(self) -> int:
        """Begins to send due webhooks of as many queues as one claim looks at, each queue as many as its share of the slots."""
        if len(self._sending) >= self._concurrency:
            return 0
        async with self._outbox.database.connection() as connection:
            claimed = await self._claim(DeliveryStore(connection))
        for one in claimed:
            self._running[one.queue] += 1
            self._sending[asyncio.create_task(self._send(one))] = one
        metrics.IN_FLIGHT.set(len(self._sending))
        return len(claimed)

    async def _claim(self, store: DeliveryStore) -> Sequence[Claimed]:
        due = await store.due_queues(self._after)
        self._after = due.last or FIRST_QUEUE
        self._pause_seconds = self._poll_seconds if due.queues else await self._idle_seconds(store)
        slots = share_slots(due.queues, self._running, self._limits, self._concurrency)
        return await store.claim(uuid4(), slots, self._lease_seconds) if slots else ()

    async def _idle_seconds(self, store: DeliveryStore) -> float:
        """Until the next webhook that waits becomes due."""
        until_due = await store.seconds_until_due()
        return max(self._poll_seconds, IDLE_SECONDS if until_due is None else min(IDLE_SECONDS, until_due))

    async def _send(self, claimed: Claimed) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            self._conclude(claimed, await self._attempt(claimed))
        finally:
            self._end(task)
            metrics.IN_FLIGHT.set(len(self._sending))
            self._outbox.wakeups.wake(WEBHOOKS)  # a slot is free again

    def _end(self, task: asyncio.Task[None]) -> None:
        queue = self._sending.pop(task).queue
        self._running[queue] -= 1
        if not self._running[queue]:
            del self._running[queue]

    async def _attempt(self, claimed: Claimed) -> Attempt:
        if claimed.refusal is not None:
            return Attempt(datetime.now(UTC), 0, error=claimed.refusal)
        return await self._receivers.send(claimed.webhook, claimed.encrypted_secrets)

    def _conclude(self, claimed: Claimed, attempt: Attempt) -> None:
        webhook = claimed.webhook
        if attempt.reply is not None:
            self._limits.learn(webhook.receiver, attempt.reply, attempt.elapsed_ms / 1000, self._running[claimed.queue])
        step = step_after(attempt, webhook.attempts + 1 - webhook.attempts_before, self._schedule)
        metrics.ATTEMPTS.labels(attempt.outcome).inc()
        metrics.SECONDS.observe(attempt.elapsed_ms / 1000)
        self._recorder.add(Result(claimed, attempt, step))

    async def _drain(self) -> None:
        """At a stop: attempts under way may end, what they led to is recorded, the rest is given back."""
        if self._sending:
            await asyncio.wait(self._sending, timeout=self._drain_seconds)
        unsent = dict(self._sending)
        for task in unsent:
            task.cancel()
        await asyncio.gather(*unsent, return_exceptions=True)
        with suppress(*TRANSIENT_ERRORS):
            await self._recorder.record()
            async with self._outbox.database.connection() as connection:
                await DeliveryStore(connection).release(list(unsent.values()))


class Maintenance:
    """Deletes what ended long ago, and shows how much waits."""

    def __init__(self, outbox: Outbox, *, retention: timedelta) -> None:
        self._outbox = outbox
        self._retention = retention

    async def run(self) -> None:
        while True:
            if not await self.once():
                await asyncio.sleep(PURGE_SECONDS)

    async def once(self) -> bool:
        """One batch; True when there may be more."""
        async with self._outbox.database.connection() as connection:
            store = DeliveryStore(connection)
            pending, oldest = await store.backlog()
            deleted = (
                await store.purge_webhooks(self._retention, PURGE_BATCH),
                await store.purge_uploads(self._retention, PURGE_BATCH),
            )
        metrics.PENDING.set(pending)
        metrics.OLDEST.set(oldest)
        return PURGE_BATCH in deleted

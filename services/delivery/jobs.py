"""Timers in: webhooks that are due, and upkeep."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

import structlog

from contracts.events import DeliveryChanged
from libs.observability.tracing import span
from libs.outbox.unit_of_work import Outbox
from libs.postgres.database import TRANSIENT_ERRORS
from libs.runtime.pace import Pace
from services.delivery import metrics
from services.delivery.adapters.receiver import Receivers
from services.delivery.domain.breaker import Breaker
from services.delivery.domain.schedule import Schedule
from services.delivery.domain.webhook import WEBHOOKS, Attempt, step_after
from services.delivery.endpoints.standing import judge_endpoints
from services.delivery.store import Claimed, DeliveryStore, Result

log = structlog.get_logger()

UNREACHED: Final = frozenset({"timeout", "name_unresolved", "connect_failed"})
"""The errors that make a receiver pause."""
DRAIN_SECONDS: Final = 3.0
PURGE_SECONDS: Final = 15.0
PURGE_BATCH: Final = 1000


class Sender:
    """Claims what is due, sends each by itself, records what came of them together.

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
        patience: timedelta,
        drain_seconds: float = DRAIN_SECONDS,
    ) -> None:
        self._outbox = outbox
        self._receivers = receivers
        self._schedule = schedule
        self._concurrency = concurrency
        self._receiver_concurrency = receiver_concurrency
        self._lease_seconds = lease_seconds
        self._poll_seconds = poll_seconds
        self._patience = patience
        self._drain_seconds = drain_seconds
        self._breaker = Breaker(receiver_concurrency)
        self._sending: dict[asyncio.Task[None], Claimed] = {}
        self._results: list[Result] = []
        self._has_results = asyncio.Event()

    async def run(self) -> None:
        recording = asyncio.create_task(self._record_always(), name="webhooks.record")
        pace = Pace()
        try:
            while True:
                if recording.done():
                    recording.result()
                await pace.rest()
                with pace.batch():
                    started_some = await self._started_some()
                if not started_some:
                    await self._outbox.wakeups.wait(WEBHOOKS, timeout=self._poll_seconds)
        finally:
            recording.cancel()
            await asyncio.wait([recording])
            await self._drain()

    async def _started_some(self) -> bool:
        try:
            return await self.start_due() > 0
        except TRANSIENT_ERRORS as error:  # must not end the attempts under way
            log.warning("webhooks.claim_postponed", error=type(error).__name__)
            return False

    async def once(self) -> bool:
        """Sends what is due and records it, to the end; False when nothing was due."""
        started = await self.start_due()
        while self._sending:
            await asyncio.wait(self._sending)
        await self.record()
        return started > 0

    @property
    def sending(self) -> int:
        """Attempts under way."""
        return len(self._sending)

    async def start_due(self) -> int:
        """Begins to send as many due webhooks as there are places for."""
        if len(self._sending) >= self._concurrency:
            return 0
        async with self._outbox.database.transaction() as connection:
            claimed = await DeliveryStore(connection).claim(
                uuid4(),
                limit=self._concurrency - len(self._sending),
                places=self._receiver_concurrency,
                free=self._free_places(),
                lease_seconds=self._lease_seconds,
            )
        for one in claimed:
            self._sending[asyncio.create_task(self._send(one))] = one
        metrics.IN_FLIGHT.set(len(self._sending))
        return len(claimed)

    def _free_places(self) -> dict[str, int]:
        """Of the receivers that have not all their places."""
        busy = Counter(claimed.webhook.receiver for claimed in self._sending.values())
        return {name: max(0, self._breaker.places(name) - busy[name]) for name in {*busy, *self._breaker.failing()}}

    async def _send(self, claimed: Claimed) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            self._judge(claimed, await self._attempt(claimed))
        finally:
            del self._sending[task]
            metrics.IN_FLIGHT.set(len(self._sending))
            self._outbox.wakeups.wake(WEBHOOKS)  # a place is free again

    async def _attempt(self, claimed: Claimed) -> Attempt:
        if claimed.refusal is not None:
            return Attempt(datetime.now(UTC), 0, error=claimed.refusal)
        return await self._receivers.send(claimed.webhook, claimed.sealed_secrets)

    def _judge(self, claimed: Claimed, attempt: Attempt) -> None:
        webhook = claimed.webhook
        if attempt.error in UNREACHED:
            self._breaker.failed(webhook.receiver)
        elif claimed.refusal is None:
            self._breaker.answered(webhook.receiver)
        step = step_after(attempt, webhook.attempts + 1 - webhook.attempts_before, self._schedule)
        next_attempt_at = datetime.now(UTC) + timedelta(seconds=step.pause_seconds) if step.pause_seconds is not None else None
        metrics.ATTEMPTS.labels(attempt.outcome).inc()
        metrics.SECONDS.observe(attempt.elapsed_ms / 1000)
        self._results.append(Result(claimed, attempt, step, next_attempt_at))
        self._has_results.set()

    # ------------------------------------------------------------ recording

    async def _record_always(self) -> None:
        pace = Pace()
        while True:
            await self._has_results.wait()
            await pace.rest()
            try:
                with pace.batch():
                    await self.record()
            except TRANSIENT_ERRORS as error:  # the results stay; a lease that ends meanwhile makes its result void
                log.warning("webhooks.record_postponed", error=type(error).__name__)
                await asyncio.sleep(0.5)

    async def record(self) -> None:
        """Writes what the attempts so far led to, in one transaction, and says so."""
        self._has_results.clear()
        results = list(self._results)
        if not results:
            return
        try:
            recorded = await self._write(results)
        except BaseException:
            self._has_results.set()
            raise
        del self._results[: len(results)]
        for result in recorded:
            with trace_of(result):
                _log(result)

    async def _write(self, results: Sequence[Result]) -> Sequence[Result]:
        """Answers those whose lease still held."""
        async with self._outbox.unit_of_work() as work:
            store = DeliveryStore(work.connection)
            held = await store.record(results)
            recorded = [result for result in results if result.claimed.lease_of in held]
            await store.log_attempts(recorded)
            await judge_endpoints(recorded, work, self._patience)
            for result in recorded:
                with trace_of(result):
                    work.emit(changed(result))
        return recorded

    async def _drain(self) -> None:
        """At a stop: attempts under way may end, what they led to is recorded, the rest is given back."""
        if self._sending:
            await asyncio.wait(self._sending, timeout=self._drain_seconds)
        unsent = dict(self._sending)
        for task in unsent:
            task.cancel()
        await asyncio.gather(*unsent, return_exceptions=True)
        with suppress(*TRANSIENT_ERRORS):
            await self.record()
            async with self._outbox.database.connection() as connection:
                await DeliveryStore(connection).release(list(unsent.values()))


def trace_of(result: Result) -> AbstractContextManager[object]:
    """The trace of the request that registered the upload."""
    return span("webhook.recorded", headers={"traceparent": result.claimed.webhook.traceparent or ""})


def changed(result: Result) -> DeliveryChanged:
    webhook, attempt = result.claimed.webhook, result.attempt
    return DeliveryChanged(
        delivery_id=webhook.id, upload_id=webhook.upload_id, tenant_id=webhook.tenant_id, endpoint_id=webhook.endpoint_id,
        event=webhook.event, target=webhook.receiver, status=result.step.status, attempts=result.attempts,
        replays=webhook.replays, response_status=attempt.response_status, error=attempt.error, elapsed_ms=attempt.elapsed_ms,
        response_excerpt=attempt.excerpt if webhook.endpoint_id else None, next_attempt_at=result.next_attempt_at,
        changed_at=datetime.now(UTC),
    )  # fmt: skip


def _log(result: Result) -> None:
    webhook, attempt = result.claimed.webhook, result.attempt
    if result.next_attempt_at is None:
        metrics.ENDED.labels(result.step.status).inc()
    write = log.info if result.step.status == "delivered" else log.warning
    write(
        f"webhook.{result.step.status}",
        webhook_id=str(webhook.id), upload_id=str(webhook.upload_id or ""), receiver=webhook.receiver, attempt=result.attempts,
        response_status=attempt.response_status, error=attempt.error, elapsed_ms=attempt.elapsed_ms,
    )  # fmt: skip


class Upkeep:
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
        before = datetime.now(UTC) - self._retention
        async with self._outbox.database.connection() as connection:
            store = DeliveryStore(connection)
            pending, oldest = await store.backlog()
            deleted = await store.purge_webhooks(before, PURGE_BATCH), await store.purge_uploads(before, PURGE_BATCH)
        metrics.PENDING.set(pending)
        metrics.OLDEST.set(oldest)
        return PURGE_BATCH in deleted

"""One subscription of the in-process bus: what waits for it, what it is busy with, what failed and when that is due again.

Events are handled batch by batch: while one is under way, what arrives from every relay waits and goes together as the next
one. So no two transactions of a service's handlers wait for each other's rows.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog

from contracts.envelope import Envelope
from libs.messaging.dead_letter import announce
from libs.messaging.local_dead_letter import LocalDeadLetters
from libs.messaging.port import Deliver, Delivery, Outcome, Retry, Subscription
from libs.messaging.retry import next_pause, reason
from libs.runtime.pace import Pace

log = structlog.get_logger()

SOON = timedelta(seconds=1)


@dataclass(frozen=True)
class Failure:
    attempt: int
    """The one that failed."""
    due: float
    """When the next one may begin, by the event loop's clock."""


class Subscriber:
    """Attempts are counted in memory: after a restart a failing message starts again at its first."""

    def __init__(
        self, subscription: Subscription, deliver: Deliver, dead_letters: LocalDeadLetters, tiers: Sequence[timedelta]
    ) -> None:
        self.event_types = frozenset(subscription.event_types)
        self._subscription = subscription
        self._deliver = deliver
        self._dead_letters = dead_letters
        self._tiers = tiers
        self._waiting: list[tuple[Envelope, asyncio.Future[Outcome]]] = []
        self._arrived = asyncio.Event()
        self._busy: dict[UUID, asyncio.Future[Outcome]] = {}
        """What waits or is being handled; whoever brings it again shares the outcome."""
        self._failures: dict[UUID, Failure] = {}
        self._stopping = False
        self._pace = Pace()
        self._worker: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._worker = asyncio.create_task(self._work(), name=f"subscriber {self._subscription.queue}")

    async def stop(self, timeout: float) -> None:
        """Lets the batch under way finish; what waits is answered as not handled."""
        self._stopping = True
        self._arrived.set()
        if self._worker is not None:
            await asyncio.wait({self._worker}, timeout=timeout)
            self._worker.cancel()

    def take(self, envelope: Envelope) -> "asyncio.Future[Outcome]":
        """None = settled here (handled or dead-lettered), or a `Retry` that says when to hand it over again."""
        if busy := self._busy.get(envelope.id):
            return busy
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        if not_yet := self._not_yet(envelope):
            outcome.set_result(not_yet)
            return outcome
        self._busy[envelope.id] = outcome
        self._waiting.append((envelope, outcome))
        self._arrived.set()
        return outcome

    async def _work(self) -> None:
        while not self._stopping:
            await self._arrived.wait()
            await self._pace.rest()
            batch, self._waiting = self._waiting[: self._subscription.prefetch], self._waiting[self._subscription.prefetch :]
            if not batch or self._stopping:
                self._arrived.clear()
                continue
            with self._pace.batch():
                outcomes = await self._handle([self._delivery(envelope) for envelope, _ in batch])
            for (envelope, waiting), outcome in zip(batch, outcomes, strict=True):
                del self._busy[envelope.id]
                if not waiting.done():
                    waiting.set_result(outcome)

    def _not_yet(self, envelope: Envelope) -> Retry | None:
        failure = self._failures.get(envelope.id)
        wait = failure.due - _now() if failure else 0
        return Retry(timedelta(seconds=wait), "waits for its next attempt") if wait > 0 else None

    def _delivery(self, envelope: Envelope) -> Delivery:
        failure = self._failures.get(envelope.id)
        return Delivery(envelope, failure.attempt + 1 if failure else 1)

    async def _handle(self, batch: Sequence[Delivery]) -> list[Outcome]:
        try:
            outcomes = await self._deliver(batch)
            return [await self._settle(delivery, outcome) for delivery, outcome in zip(batch, outcomes, strict=True)]
        except Exception as error:
            log.error("bus.delivery_failed", queue=self._subscription.queue, size=len(batch), exc_info=error)
            return [Retry(SOON, reason(error))] * len(batch)

    async def _settle(self, delivery: Delivery, outcome: Outcome) -> Retry | None:
        event_id = delivery.envelope.id
        if outcome is not None:
            pause = next_pause(outcome, delivery.attempt, self._tiers)
            if pause is not None:
                self._failures[event_id] = Failure(delivery.attempt, _now() + pause.total_seconds())
                return Retry(pause, reason(outcome))
            await self._dead_letters.add(delivery.envelope, delivery.attempt, reason(outcome))
            announce(self._subscription, delivery.envelope.type, str(event_id), reason(outcome))
        self._failures.pop(event_id, None)
        return None


def _now() -> float:
    return asyncio.get_running_loop().time()

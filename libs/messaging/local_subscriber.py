"""One subscription of the in-process bus: what it is busy with, what failed and when that is due again."""

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
        self.event_type = subscription.event_type
        self._subscription = subscription
        self._deliver = deliver
        self._dead_letters = dead_letters
        self._tiers = tiers
        self._busy: set[UUID] = set()
        self._failures: dict[UUID, Failure] = {}

    async def take(self, envelopes: Sequence[Envelope]) -> list[Outcome]:
        """For each: None = settled here (handled or dead-lettered), or a `Retry` that says when to hand it over again."""
        answers: list[Outcome] = [self._not_yet(envelope) for envelope in envelopes]
        due = [position for position, answer in enumerate(answers) if answer is None]
        ids = {envelopes[position].id for position in due}
        self._busy |= ids
        try:
            for start in range(0, len(due), self._subscription.prefetch):
                batch = due[start : start + self._subscription.prefetch]
                outcomes = await self._handle([self._delivery(envelopes[position]) for position in batch])
                for position, outcome in zip(batch, outcomes, strict=True):
                    answers[position] = outcome
        finally:
            self._busy -= ids
        return answers

    def _not_yet(self, envelope: Envelope) -> Retry | None:
        if envelope.id in self._busy:
            return Retry(SOON, "still being handled")
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
            announce(self._subscription, str(event_id), reason(outcome))
        self._failures.pop(event_id, None)
        return None


def _now() -> float:
    return asyncio.get_running_loop().time()

"""The in-process bus: every service in one process, the publisher's outbox its only store.

`publish` hands each event to every local subscriber and answers "taken" once all their handlers have committed; until then
the row stays in the outbox. So a crash at any point redelivers, and the inboxes make that harmless.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta

from contracts.envelope import Envelope
from libs.messaging.local_dead_letter import LocalDeadLetters
from libs.messaging.local_subscriber import SOON, Subscriber
from libs.messaging.port import BusUnavailableError, Deliver, Outcome, Retry, Subscription
from libs.messaging.retry import TIERS
from libs.postgres.database import Database

PATIENCE_SECONDS = 20.0
"""A publish answers after this time at the latest: its relay holds a transaction open. Handlers that run longer go on."""

STOP_SECONDS = 10.0


class LocalBus:
    """`databases`: of each subscribing service, by name; its dead letters are kept there."""

    def __init__(
        self, databases: Mapping[str, Database], tiers: Sequence[timedelta] = TIERS, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self._databases = databases
        self._tiers = tiers
        self._patience_seconds = patience_seconds
        self._subscribers: dict[str, Subscriber] = {}
        self._running: set[asyncio.Task[list[Outcome]]] = set()
        self._open = False

    def subscribe(self, subscription: Subscription, deliver: Deliver) -> None:
        dead_letters = LocalDeadLetters(self._databases[subscription.service])
        self._subscribers[subscription.queue] = Subscriber(subscription, deliver, dead_letters, self._tiers)

    async def start(self) -> None:
        self._open = True

    async def stop(self) -> None:
        self._open = False
        if self._running:
            _done, late = await asyncio.wait(self._running, timeout=STOP_SECONDS)
            for task in late:
                task.cancel()

    async def check(self) -> None:
        if not self._open:
            raise BusUnavailableError("not started")

    async def publish(self, envelopes: Sequence[Envelope]) -> Sequence[Exception | None]:
        if not self._open:
            return [BusUnavailableError("not started")] * len(envelopes)
        shares = dict(self._hand_over(envelopes))
        if shares:
            await asyncio.wait(shares, timeout=self._patience_seconds)
        answers: list[list[Outcome]] = [[] for _ in envelopes]
        for task, positions in shares.items():
            finished = task.done() and not task.cancelled()
            outcomes = task.result() if finished else [Retry(SOON, "still being handled")] * len(positions)
            for position, outcome in zip(positions, outcomes, strict=True):
                answers[position].append(outcome)
        return [_soonest(outcomes) for outcomes in answers]

    def _hand_over(self, envelopes: Sequence[Envelope]) -> list[tuple[asyncio.Task[list[Outcome]], list[int]]]:
        """A task for each subscriber that wants any of them, with the positions of those."""
        started = []
        for subscriber in self._subscribers.values():
            positions = [n for n, envelope in enumerate(envelopes) if envelope.type == subscriber.event_type]
            if positions:
                task = asyncio.create_task(subscriber.take([envelopes[n] for n in positions]))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
                started.append((task, positions))
        return started


def _soonest(outcomes: Sequence[Outcome]) -> Exception | None:
    """None when every subscriber is done; else when the first of those that are not wants to be asked again."""
    waiting = [outcome for outcome in outcomes if isinstance(outcome, Retry)]
    return min(waiting, key=lambda retry: retry.delay, default=None)

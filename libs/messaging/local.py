"""The in-process bus: every service in one process, the publisher's outbox its only store.

`publish` hands each event to every local subscriber and answers "taken" once all their handlers have committed; until then
the row stays in the outbox. So a crash at any point redelivers, and the inboxes make that harmless.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from pydantic import ValidationError

from contracts.envelope import EncodedEvent, Envelope
from libs.messaging.local_dead_letter import LocalDeadLetters
from libs.messaging.local_subscriber import SOON, Subscriber
from libs.messaging.port import BusUnavailableError, Deliver, Outcome, Retry, Subscription, UnreadableEventError
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
        self._subscribers: list[Subscriber] = []
        self._open = False

    def subscribe(self, subscription: Subscription, deliver: Deliver) -> None:
        dead_letters = LocalDeadLetters(self._databases[subscription.service])
        self._subscribers.append(Subscriber(subscription, deliver, dead_letters, self._tiers))

    async def start(self) -> None:
        self._open = True
        for subscriber in self._subscribers:
            subscriber.start()

    async def stop(self) -> None:
        self._open = False
        await asyncio.gather(*(subscriber.stop(STOP_SECONDS) for subscriber in self._subscribers))

    async def check(self) -> None:
        if not self._open:
            raise BusUnavailableError("not started")

    async def generation(self) -> str:
        """The outbox itself is what it holds: there is nothing that could be lost behind it."""
        return "in process"

    async def publish(self, events: Sequence[EncodedEvent]) -> Sequence[Exception | None]:
        if not self._open:
            return [BusUnavailableError("not started")] * len(events)
        handed_over = [list(self._hand_over(event)) for event in events]
        waiting = {outcome for outcomes in handed_over for outcome in outcomes if not outcome.done()}
        if waiting:
            await asyncio.wait(waiting, timeout=self._patience_seconds)
        return [_answer(outcomes) for outcomes in handed_over]

    def _hand_over(self, event: EncodedEvent) -> Iterator["asyncio.Future[Outcome]"]:
        """The outcome at each subscriber that consumes the event. The envelope is read once, for all of them."""
        takers = [subscriber for subscriber in self._subscribers if event.type in subscriber.event_types]
        envelope = _read(event) if takers else None
        for subscriber in takers:
            if isinstance(envelope, Envelope):
                yield subscriber.take(envelope)
            else:
                yield _done(envelope)


def _read(event: EncodedEvent) -> Envelope | UnreadableEventError:
    try:
        return event.envelope
    except ValidationError:
        return UnreadableEventError("it holds no envelope")


def _done(outcome: Outcome) -> "asyncio.Future[Outcome]":
    future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    future.set_result(outcome)
    return future


def _answer(outcomes: Sequence["asyncio.Future[Outcome]"]) -> Exception | None:
    """None when every subscriber is done; else when the first of those that are not wants to be asked again."""
    answers = [outcome.result() if outcome.done() else Retry(SOON, "still being handled") for outcome in outcomes]
    if unreadable := next((answer for answer in answers if isinstance(answer, UnreadableEventError)), None):
        return unreadable
    return min((answer for answer in answers if isinstance(answer, Retry)), key=lambda retry: retry.delay, default=None)

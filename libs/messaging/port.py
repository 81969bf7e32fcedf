"""What a service needs of a bus, and what a handler may answer.

The contract of a handler: **return = ack; exception = redeliver with backoff; `Retry(delay)` = redeliver when asked;
`Reject(reason)` = dead-letter now.** A batch for which a handler raises is split, until the message that it concerns stands
alone. After the last attempt a message goes to the dead letters of its service with the reason; nothing is dropped.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from contracts.envelope import EncodedEvent, Envelope


class Retry(Exception):
    """Deliver this message again after `delay` (rounded up to the bus's next retry tier)."""

    code = "retry"

    def __init__(self, delay: timedelta, reason: str) -> None:
        super().__init__(reason)
        self.delay = delay
        self.reason = reason


class Reject(Exception):
    """This message can never be handled; put it with the dead letters."""

    code = "reject"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Subscription:
    """The events that one service consumes, through one queue: one consumer sees all that happens to an upload."""

    service: str
    event_types: tuple[str, ...]
    prefetch: int = 300
    """Also the largest batch."""

    @property
    def queue(self) -> str:
        return queue_of(self.service)


def queue_of(service: str) -> str:
    """The name of the queue of all events that a service consumes, e.g. `session.events`."""
    return f"{service}.events"


@dataclass(frozen=True)
class Delivery:
    """One message as it reaches a consumer. `attempt` counts from 1."""

    envelope: Envelope
    attempt: int = 1


Outcome = None | Retry | Reject | Exception
"""Of one delivery: None = handled; anything else as in the module's contract."""

Deliver = Callable[[Sequence[Delivery]], Awaitable[Sequence[Outcome]]]
"""Takes a batch and answers one outcome for each, in order. Never raises for a message's own sake."""


class UnreadableEventError(Exception):
    """What was to be published is no envelope."""

    code = "unreadable_event"


class BusUnavailableError(Exception):
    """The bus cannot be reached, or its topology is not the deployed one."""

    code = "bus_unavailable"


class Bus(Protocol):
    """Publishes with confirmation, delivers at least once.

    `publish` answers one entry per event, in order: None where the bus has taken responsibility, an exception where it
    has not or may not have. An exception means "unknown: publish again with the same id".
    `subscribe` is called before `start`. `stop` first ends consuming and waits for running handlers.
    """

    async def publish(self, events: Sequence[EncodedEvent]) -> Sequence[Exception | None]: ...

    def subscribe(self, subscription: Subscription, deliver: Deliver) -> None: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def generation(self) -> str:
        """Names the data that the bus holds: where it has lost what it had taken, it answers another name than before.

        Raises BusUnavailableError where that cannot be told now.
        """

    async def check(self) -> None:
        """Raises BusUnavailableError when messages cannot flow now; for `/readyz`."""

"""What a service needs of a bus, and what a handler may answer.

The contract of a handler: **return = ack; exception = redeliver with backoff; `Retry(delay)` = redeliver when asked;
`Reject(reason)` = dead-letter now.** After the last attempt a message goes to the dead letters of its service with the reason;
nothing is dropped.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from contracts.envelope import Envelope


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
    """One event type that one service consumes: one queue."""

    service: str
    event_type: str
    prefetch: int = 100
    """Also the largest batch. 50-300 for handlers that touch only the database, 10-20 for others."""

    @property
    def queue(self) -> str:
        """`session.object.stored.v1`: the service's name, then the routing key."""
        return f"{self.service}.{self.event_type}"


@dataclass(frozen=True)
class Delivery:
    """One message as it reaches a consumer. `attempt` counts from 1."""

    envelope: Envelope
    attempt: int = 1


Outcome = None | Retry | Reject | Exception
"""Of one delivery: None = handled; anything else as in the module's contract."""

Deliver = Callable[[Sequence[Delivery]], Awaitable[Sequence[Outcome]]]
"""Takes a batch and answers one outcome for each, in order. Never raises for a message's own sake."""


class BusUnavailableError(Exception):
    """The bus cannot be reached, or its topology is not the deployed one."""

    code = "bus_unavailable"


class Bus(Protocol):
    """Publishes with confirmation, delivers at least once.

    `publish` answers one entry per envelope, in order: None where the bus has taken responsibility, an exception where it
    has not or may not have. An exception means "unknown: publish again with the same id".
    `subscribe` is called before `start`. `stop` first ends consuming and waits for running handlers.
    """

    async def publish(self, envelopes: Sequence[Envelope]) -> Sequence[Exception | None]: ...

    def subscribe(self, subscription: Subscription, deliver: Deliver) -> None: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def check(self) -> None:
        """Raises BusUnavailableError when messages cannot flow now; for `/readyz`."""

"""Dead letters: what a service could not handle, kept until an operator replays it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog
from prometheus_client import Counter

from libs.messaging.port import Subscription

log = structlog.get_logger()

DEAD = Counter("longshore_dead_letters", "Messages that became dead letters. Alarm when it rises.", ["service", "type"])


@dataclass(frozen=True)
class DeadLetter:
    message_id: str
    """The event's id."""
    event_type: str
    queue: str
    """Where the message came from, and where a replay puts it: `<service>.events`."""
    reason: str
    attempts: int
    body: str
    """The envelope as JSON; anything at all if that is why it is here."""
    died_at: datetime | None = None


class DeadLetters(Protocol):
    """The dead letters of one service."""

    async def list(self, limit: int = 100) -> Sequence[DeadLetter]:
        """The oldest `limit` of them; nothing is taken out."""

    async def show(self, message_id: str) -> DeadLetter | None: ...

    async def replay(self, message_id: str | None = None) -> int:
        """Hands the message (None: all there are now) back to this service alone, as a first attempt under the same id.

        Answers how many went. A message leaves the dead letters only when its queue, or the outbox, has it again.
        """


def announce(subscription: Subscription, event_type: str, message_id: str, reason: str) -> None:
    """Tells the operator: a message was given up."""
    DEAD.labels(subscription.service, event_type).inc()
    log.error("message.dead", queue=subscription.queue, type=event_type, event_id=message_id, reason=reason)

"""Dead letters: what a service could not handle, kept until an operator replays it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from contracts.envelope import Envelope


@dataclass(frozen=True)
class DeadLetter:
    envelope: Envelope
    service: str
    """Whose handler gave up."""
    reason: str
    attempts: int
    died_at: datetime | None = None

    @property
    def event_id(self) -> UUID:
        return self.envelope.id


class DeadLetters(Protocol):
    """The dead letters of one service."""

    async def list(self, limit: int = 100) -> Sequence[DeadLetter]:
        """The oldest `limit` of them; nothing is taken out."""

    async def show(self, event_id: UUID) -> DeadLetter | None: ...

    async def replay(self, event_id: UUID | None = None) -> int:
        """Hands the message (None: all there are now) back to the service as a first attempt, under the same event id.

        Answers how many went. A message leaves the dead letters only when the bus, or the outbox, has it again.
        """

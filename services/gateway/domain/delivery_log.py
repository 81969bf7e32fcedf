"""What was delivered to a webhook endpoint, attempt by attempt."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True)
class LoggedAttempt:
    attempt: int
    ended_at: datetime
    response_status: int | None
    error: str | None
    elapsed_ms: int | None
    response_excerpt: str | None


@dataclass(frozen=True)
class LoggedDelivery:
    id: UUID
    """Also the `webhook-id` that the receiver sees."""
    event: str
    upload_id: UUID | None
    status: str
    replays: int
    next_attempt_at: datetime | None
    created_at: datetime
    changed_at: datetime
    attempts: tuple[LoggedAttempt, ...] = ()
    """The last ones, the newest first."""

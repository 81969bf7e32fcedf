"""What the projection keeps beside the uploads themselves."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from contracts.ids import UploadId


@dataclass(frozen=True)
class TimelineEntry:
    event_id: UUID
    type: str
    version: int
    occurred_at: datetime
    summary: dict[str, Any]


@dataclass(frozen=True)
class DeliveryView:
    delivery_id: UUID
    upload_id: UploadId
    kind: str
    target: str
    status: str
    attempts: int
    response_status: int | None
    error: str | None
    next_attempt_at: datetime | None
    changed_at: datetime

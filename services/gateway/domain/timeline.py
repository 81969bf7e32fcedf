"""What the projection keeps beside the uploads themselves."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from contracts.events import (
    DeliveryChanged,
    Event,
    FetchCompleted,
    FetchFailed,
    FetchRequested,
    FileDeleted,
    FileDeleteRequested,
    FileExpired,
    FileInspected,
    FileRetentionChanged,
    ObjectStored,
    ProcessingCompleted,
    ProcessingFailed,
    PublicationChanged,
    PublicationRequested,
    Stage,
    StreamStarted,
    UploadAborted,
    UploadAbortRequested,
    UploadCompleted,
    UploadExpired,
    UploadFinishRequested,
    UploadRegistered,
    UploadRejected,
)
from contracts.ids import UploadId, event_id
from services.gateway.domain.account import shown_id
from services.gateway.domain.upload import Upload


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


def entry_of(event: Event, occurred_at: datetime) -> TimelineEntry | None:
    """The timeline's line about `event`; None where it is only a state of the moment."""
    summary = _SUMMARIES.get(type(event))
    if summary is None:
        return None
    version = getattr(event, "version", Stage.PROCESSED)
    return TimelineEntry(event.event_id, event.type, version, occurred_at, summary(event))


def whole_timeline(upload: Upload, noted: Sequence[TimelineEntry]) -> Sequence[TimelineEntry]:
    """The lines that were noted, and before them the registration, which the upload itself tells of."""
    registered = TimelineEntry(
        event_id=event_id(upload.id, UploadRegistered.type, 1),
        type=UploadRegistered.type,
        version=Stage.REGISTERED,
        occurred_at=upload.created_at,
        summary={"dialect": upload.dialect, "content_type": upload.declared_content_type},
    )
    return [registered, *(entry for entry in noted if entry.event_id != registered.event_id)]


_SUMMARIES: Final[Mapping[type[Event], Callable[[Any], dict[str, Any]]]] = {
    UploadFinishRequested: lambda event: {},
    FileDeleteRequested: lambda event: {},
    FetchRequested: lambda event: {},
    UploadAbortRequested: lambda event: {"reason": event.reason},
    FileRetentionChanged: lambda event: {"file_expires_at": event.file_expires_at},
    FetchCompleted: lambda event: {"size_bytes": event.size_bytes},
    FetchFailed: lambda event: {"code": event.code},
    ObjectStored: lambda event: {"size_bytes": event.object.size_bytes, "noticed_by": event.noticed_by},
    UploadCompleted: lambda event: {"size_bytes": event.object.size_bytes, "content_type": event.object.content_type},
    UploadRejected: lambda event: {"code": event.code, "message": event.message},
    UploadAborted: lambda event: {"reason": event.reason},
    UploadExpired: lambda event: {},
    FileExpired: lambda event: {},
    FileDeleted: lambda event: {},
    FileInspected: lambda event: {"mime_type": event.mime_type},
    StreamStarted: lambda event: {"playlist": event.playlist},
    ProcessingCompleted: lambda event: {"renditions": [rendition.name for rendition in event.renditions]},
    ProcessingFailed: lambda event: {"code": event.code, "message": event.message},
    DeliveryChanged: lambda event: {"target": event.target, "status": event.status, "attempts": event.attempts},
    PublicationRequested: lambda event: {"accounts": len(event.account_ids), "due_at": event.due_at},
    PublicationChanged: lambda event: {
        "account_id": shown_id(event.account_id), "status": event.status, "attempts": event.attempts,
        "code": event.error_code,
    },
}  # fmt: skip
"""Chosen field by field, for events carry keys and addresses."""

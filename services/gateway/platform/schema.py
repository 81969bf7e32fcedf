"""What `/platform/v1` answers."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class CanonicalState(StrEnum):
    """Where an upload is; the last six are terminal, though a file that is READY may later be DELETED or EXPIRED."""

    REGISTERED = "REGISTERED"
    STORED = "STORED"
    COMPLETED = "COMPLETED"
    PROCESSING = "PROCESSING"
    READY = "READY"
    PROCESSING_FAILED = "PROCESSING_FAILED"
    REJECTED = "REJECTED"
    ABORTED = "ABORTED"
    EXPIRED = "EXPIRED"
    DELETED = "DELETED"


Dialect = Literal["eachlabs", "json2video", "medialab", "platform", "upload24", "uploadcare"]


class View(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True, json_schema_serialization_defaults_required=True)


class FileView(View):
    name: str | None
    size_bytes: int | None
    """Declared until the bytes were verified; null where nothing was declared."""
    mime_type: str | None
    """Declared until the bytes were inspected."""
    etag: str | None
    url: str | None
    """Where anyone may read it now; null while it is not published."""
    image: dict[str, Any] | None
    media: dict[str, Any] | None
    """Container, duration and streams of sound and video."""
    expires_at: datetime | None
    """When it is deleted; null: kept."""


class RenditionView(View):
    name: str
    kind: str
    content_type: str
    size_bytes: int
    width: int | None
    height: int | None
    duration_seconds: float | None
    url: str | None
    """Null while it is not published."""


class DeliveryView(View):
    id: UUID
    kind: str
    target: str
    """Host of the receiver."""
    status: str
    attempts: int
    response_status: int | None
    error: str | None
    next_attempt_at: datetime | None
    changed_at: datetime


class ErrorView(View):
    code: str
    message: str


class TimelineView(View):
    id: UUID
    """Of the event."""
    type: str
    time: datetime
    version: int
    summary: dict[str, Any]


class UploadSummary(View):
    id: UUID
    dialect: Dialect
    state: CanonicalState
    version: int
    """Position in its life; grows with every change of `state`."""
    progress_percent: int
    file: FileView
    error: ErrorView | None
    created_at: datetime
    updated_at: datetime


class UploadView(UploadSummary):
    stream_url: str | None
    """Where a video can be played now (HLS), while it is PROCESSING as far as it has come; null while it cannot."""
    renditions: list[RenditionView]
    deliveries: list[DeliveryView]
    timeline: list[TimelineView]


class UploadPage(View):
    uploads: list[UploadSummary]
    """Newest first."""
    next_cursor: str | None
    """Ask again with `cursor` set to this for what is older; null: there is no more."""


class ListQuery(BaseModel):
    state: CanonicalState | None = None
    dialect: Dialect | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Annotated[str, Field(max_length=120)] | None = None


class WaitQuery(BaseModel):
    wait_version: Annotated[int, Field(ge=0, le=100)] | None = None
    wait_seconds: Annotated[float, Field(ge=0, le=20)] = 20

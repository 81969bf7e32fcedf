"""An upload as the gateway knows it: what was registered, and what the events so far say."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from contracts.events import Stage
from contracts.ids import TenantId, UploadId
from services.gateway.domain.project import ProjectId


class State(StrEnum):
    """Where an upload is in its life; the newest event decides, see `contracts.events.Stage`."""

    REGISTERED = "REGISTERED"
    STORED = "STORED"
    COMPLETED = "COMPLETED"
    REJECTED = "REJECTED"
    ABORTED = "ABORTED"
    EXPIRED = "EXPIRED"
    PROCESSING = "PROCESSING"
    READY = "READY"
    PROCESSING_FAILED = "PROCESSING_FAILED"
    FILE_EXPIRED = "FILE_EXPIRED"
    DELETED = "DELETED"


WITHOUT_FILE = frozenset({State.REJECTED, State.ABORTED, State.EXPIRED, State.FILE_EXPIRED, State.DELETED})
"""The upload has no bytes any more and never will; its name is free."""


def reached(state: State, version: int, *, verified: bool, inspected: bool) -> tuple[State, int]:
    """How far an upload is, of what the newest event says: never farther than what is known of it.

    Events come in any order. A file is not shown as processed while the event that tells its size, or what its bytes
    are, is still on its way.
    """
    if state in (State.PROCESSING, State.READY) and not verified:
        return State.STORED, Stage.STORED
    if state is State.READY and not inspected:
        return State.COMPLETED, Stage.CLOSED
    return state, version


class UploadProgress:
    """How far an upload has come and whether its file may be read: the rules over the fields that decide it.

    `state` and `version` are what `reached` answers.
    """

    state: State
    version: int
    completed_at: datetime | None
    deleted_at: datetime | None
    multipart_id: str | None
    fetch_token: UUID | None
    finished_at: datetime | None
    stream_playlist: str | None

    @property
    def removed(self) -> bool:
        return self.deleted_at is not None or self.state in WITHOUT_FILE

    @property
    def came(self) -> bool:
        """Of Uploadcare's API: all bytes are there, verified or not. What comes in one request is registered with them."""
        came_at_once = self.multipart_id is None and self.fetch_token is None
        return self.completed_at is not None or self.finished_at is not None or came_at_once

    @property
    def has_file(self) -> bool:
        """A verified file lies under `object_key` and may be read by its owner."""
        return self.completed_at is not None and not self.removed

    @property
    def inspected(self) -> bool:
        """Verified, and what its bytes are is known, or that they are not what they should be."""
        return self.has_file and self.version >= Stage.INSPECTED

    @property
    def ready(self) -> bool:
        """Verified and processed."""
        return self.state is State.READY and not self.removed

    @property
    def is_streaming(self) -> bool:
        """Verified, and a video that can be played while it is being processed."""
        return self.stream_playlist is not None and self.state is State.PROCESSING and not self.removed

    @property
    def busy(self) -> bool:
        """Bytes are there and something is still being made of them."""
        return not self.removed and Stage.STORED <= self.version < Stage.PROCESSED


@dataclass(frozen=True)
class Upload(UploadProgress):
    id: UploadId
    tenant_id: TenantId
    dialect: str
    state: State
    version: int
    folder: str
    """Path below the tenant's root without slashes at its ends; empty: the root."""
    name: str | None
    temporary: bool
    declared_size_bytes: int | None
    declared_content_type: str | None
    view: dict[str, Any]
    """What only its own dialect shows, as registered."""
    staging_key: str
    object_key: str
    size_bytes: int | None
    """Of the verified file; None before that. So are `etag` and `content_type`."""
    etag: str | None
    content_type: str | None
    mime_type: str | None
    """What the bytes really are; None before the inspection."""
    image: dict[str, Any] | None
    media: dict[str, Any] | None
    renditions: list[dict[str, Any]] = field(repr=False)
    """JSON of `contracts.events.Rendition`."""
    progress_percent: int
    error_code: str | None
    error_message: str | None
    url_expires_at: datetime
    deadline_at: datetime
    file_expires_at: datetime | None
    retention_revision: int
    created_at: datetime
    updated_at: datetime
    stored_at: datetime | None
    completed_at: datetime | None
    deleted_at: datetime | None
    """When its owner gave it up; nothing of it is readable from that moment."""
    project_id: ProjectId | None
    kept_at: datetime | None
    """When the file was marked to be kept; None: it was not, or its API knows no such mark."""
    metadata: dict[str, str]
    multipart_id: str | None
    fetched_bytes: int | None
    """Of a file that the platform fetches itself; so is `fetch_total_bytes`, where its source tells it."""
    fetch_total_bytes: int | None
    fetch_token: UUID | None
    """By this the client asks how the fetch is getting on; None: it is not fetched."""
    finished_at: datetime | None
    """When the client said that it sent every part; None where it did not, or its API knows no such call."""
    stream_playlist: str | None
    """Name of the rendition by which a video is played, from the moment when its first segments are there."""

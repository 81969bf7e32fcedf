"""A job: one completed upload on its way through the lanes."""

from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from contracts.envelope import Envelope
from contracts.events import UploadCompleted
from contracts.ids import TenantId, UploadId

Lane = Literal["sniff", "quick", "video"]
"""`sniff` looks at the first bytes and ends most files; `quick` runs short children; `video` may take hours."""

MAX_ATTEMPTS: Final = 3
QUICK_MAX_BYTES: Final = 64 << 20
"""Larger files are downloaded in the video lane, so that they hold nobody up."""


@dataclass(frozen=True)
class Job:
    upload: UploadCompleted
    cause: Envelope
    """The message that asked for it; events about the job continue its trace."""
    lease: UUID
    """Of this claim."""
    attempts: int
    """This one included."""
    store_errors: int
    mime_type: str | None = None
    percent: int = 0
    """What an earlier attempt reported; progress never goes back."""

    @property
    def tenant_id(self) -> TenantId:
        return self.upload.tenant_id

    @property
    def is_exhausted(self) -> bool:
        return self.attempts > MAX_ATTEMPTS


@dataclass(frozen=True)
class EndedJob:
    """A job after which there is something to clean."""

    upload_id: UploadId
    state: str
    """`completed`, `failed` or `removed`."""
    playlist_keys: tuple[str, ...]
    """Of the HLS playlists that were made."""


def lane_for(mime_type: str, upload: UploadCompleted) -> Lane:
    """Where a media file goes after sniffing."""
    long = mime_type.startswith("video/") and upload.transcode
    return "video" if long or upload.object.size_bytes > QUICK_MAX_BYTES else "quick"

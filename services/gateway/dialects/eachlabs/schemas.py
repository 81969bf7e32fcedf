"""Bodies of the eachlabs API as JSON."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, StringConstraints

OwnerName = Annotated[str, Field(pattern=r"^org-[A-Za-z0-9_-]{1,100}$", examples=["org-your-org-id"])]
FileType = Literal["image", "video", "audio", "other"]
Number = Annotated[StrictInt | StrictFloat, Field(ge=0, le=1e12, allow_inf_nan=False)]
Status = Literal["PENDING", "UPLOADED", "PROCESSING", "COMPLETED", "FAILED", "EXPIRED", "DELETED"]


class UploadRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)

    owner: OwnerName
    """Your organization: `org-<org-id>`."""
    uploader: Literal["customer"]
    file_type: FileType = "other"
    content_type: Annotated[str, Field(max_length=200)] | None = None
    """MIME type of the file, e.g. `video/mp4`; `application/octet-stream` when it is not given."""
    callback_url: Annotated[str, StringConstraints(strip_whitespace=True, max_length=2048)] | None = None
    """Called once, when processing has ended either way."""
    audio_duration_seconds: Number | None = None
    """Audio files only."""
    video_duration_seconds: Number | None = None
    """Video files only."""
    video_bitrate_kbps: Number | None = None
    """Video files only."""


class UploadCreated(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)

    id: UUID
    upload_url: str
    """Takes one PUT within 15 minutes, with exactly `required_headers`."""
    public_url: str
    """Where the file can be read once it is processed."""
    expires_at: str
    """When the file is deleted, ISO 8601."""
    status: Literal["PENDING"] = "PENDING"
    required_headers: dict[str, str]


class RenditionView(BaseModel):
    name: str
    kind: str
    url: str
    content_type: str
    width: int | None = None
    height: int | None = None


class FailureView(BaseModel):
    code: str
    message: str


class UploadView(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)

    id: UUID
    status: Status
    public_url: str
    expires_at: str | None
    owner: str
    uploader: str
    file_type: FileType
    content_type: str
    """As declared; after the inspection what the bytes really are."""
    size: int | None
    """Bytes of the verified file; null before that."""
    created_at: str
    updated_at: str
    error: FailureView | None
    """Why it FAILED."""
    renditions: list[RenditionView]
    """What was made of the file; complete when it is COMPLETED."""


class ErrorBody(BaseModel):
    status: Annotated[int, Field(examples=[400])]
    error: Annotated[str, Field(examples=["Human-readable error message"])]
    code: Annotated[str, Field(examples=["BAD_REQUEST"])]
    request_id: Annotated[str, Field(examples=["4bf92f3577b34da6a3ce929d0e0e4736"])]
    details: dict[str, Any]

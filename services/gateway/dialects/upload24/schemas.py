"""Bodies of the Upload24 API as JSON."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import AfterValidator, AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, StrictInt, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from services.gateway.domain.content_type import is_content_type

MAX_FILE_BYTES: Final = 2**31
"""T-15: 2 GB are binary (5.4.1)."""
MAX_TITLE_CHARACTERS: Final = 2200
"""T-17: Unicode code points (5.4.18)."""
MAX_ACCOUNTS: Final = 100
MAX_PARTS: Final = 1000
MIN_PART_BYTES: Final = 5 * 2**20
MAX_NAME_CHARACTERS: Final = 255

Status = Literal["Scheduled", "Processing", "Uploaded", "Failed"]


def _moment(given: Any) -> datetime:
    """ISO 8601 with a zone, in UTC."""
    try:
        at = datetime.fromisoformat(given)
        if at.tzinfo is not None:
            return at.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        pass
    raise PydanticCustomError("scheduled_on_invalid", "must be an ISO 8601 time with its zone, e.g. 2026-04-18T09:30:00Z")


def _media_type(given: str) -> str:
    if not is_content_type(given):
        raise PydanticCustomError("content_type_invalid", "must be a MIME type, e.g. video/mp4")
    return given


Moment = Annotated[datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
AccountName = Annotated[str, Field(min_length=1, max_length=100, examples=["account_6f1c1d0e5f0b5d7e9d4b1a5e7c1f0a11"])]
Words = Annotated[str, Field(min_length=1, max_length=100)]


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel, use_attribute_docstrings=True)


class _Shown(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, use_attribute_docstrings=True)


class YoutubeMetadata(_Given):
    category_id: Annotated[str, Field(min_length=1, max_length=20, examples=["22"])]
    default_language: Annotated[str, Field(min_length=1, max_length=35, examples=["en"])]
    default_audio_language: Annotated[str, Field(min_length=1, max_length=35, examples=["en-US"])]
    description: Annotated[str, Field(max_length=5000)] | None = None
    tags: Annotated[list[Words], Field(max_length=100)] | None = None
    privacy_status: Literal["private", "public", "unlisted"] | None = None
    license: Literal["youtube", "creativeCommon"] | None = None
    embeddable: bool | None = None
    public_stats_viewable: bool | None = None
    self_declared_made_for_kids: bool | None = None
    notify_subscribers: bool | None = None


class Metadata(_Given):
    """What is published, where and when."""

    title: Annotated[str, Field(min_length=1, max_length=MAX_TITLE_CHARACTERS, pattern=r"\S")]
    accounts: Annotated[list[AccountName], Field(min_length=1, max_length=MAX_ACCOUNTS)]
    """Ids of linked accounts; each costs a unit of its own quota."""
    scheduled_on: Moment | None = None
    """ISO 8601 with its zone, at most 366 days ahead; at once where it is not given or has passed."""
    youtube: YoutubeMetadata | None = None


class PresignRequest(Metadata):
    file_name: Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARACTERS)]
    file_size: Annotated[StrictInt, Field(ge=1, le=MAX_FILE_BYTES)]
    """Bytes; the file must have exactly as many."""
    content_type: Annotated[str, Field(min_length=1, max_length=200, examples=["video/mp4"]), AfterValidator(_media_type)]


class MultipartRequest(PresignRequest):
    part_size: Annotated[StrictInt, Field(ge=MIN_PART_BYTES, le=MAX_FILE_BYTES)] | None = None
    """Bytes of each part but the last; 16 MiB where it is not given."""


class FormRequest(_Given):
    """Fields may follow the file."""

    title: Annotated[str, Field(min_length=1, max_length=MAX_TITLE_CHARACTERS)]
    accounts: Annotated[list[str], Field(min_length=1, max_length=MAX_ACCOUNTS)]
    """Repeated for each account."""
    scheduled_on: Annotated[str, Field(json_schema_extra={"format": "date-time"})] | None = None
    youtube: str | None = None
    """The JSON of a `YoutubeMetadata`."""
    file: Annotated[str, Field(json_schema_extra={"format": "binary"})]


class PutSession(_Shown):
    session_token: str
    """Shown this once; completes or aborts the session."""
    file_id: UUID
    upload_url: str
    """Takes one PUT with `requiredHeaders` and exactly `fileSize` bytes."""
    expires_at: str
    """When the URL ends."""
    session_expires_at: str
    """When the session must be completed."""
    required_headers: dict[str, str]


class PartUrl(_Shown):
    part_number: int
    url: str


class MultipartSession(_Shown):
    session_token: str
    file_id: UUID
    part_size: int
    parts: list[PartUrl]
    """A PUT each; its answer's `ETag` belongs into the completion."""
    expires_at: str
    """When the URLs end; `resume` gives others."""
    session_expires_at: str


class TokenRequest(_Given):
    session_token: Annotated[str, Field(min_length=1, max_length=200)]


class UploadedPart(_Shown):
    part_number: int
    e_tag: str
    size: int


class ResumedSession(_Shown):
    file_id: UUID
    part_size: int
    uploaded_parts: list[UploadedPart]
    """Those that came in whole; their `partNumber` and `eTag` belong into the completion."""
    parts: list[PartUrl]
    """The others, with new URLs."""
    expires_at: str
    session_expires_at: str


class CompletedPart(_Given):
    """Also in S3's spelling, `PartNumber` and `ETag`; the ETag with or without its quotes."""

    model_config = ConfigDict(extra="ignore")

    part_number: Annotated[StrictInt, Field(ge=1, le=10_000, validation_alias=AliasChoices("partNumber", "PartNumber"))]
    e_tag: Annotated[str, Field(min_length=1, max_length=200, validation_alias=AliasChoices("eTag", "ETag", "etag", "Etag"))]


class CompleteRequest(TokenRequest):
    parts: Annotated[list[CompletedPart], Field(max_length=MAX_PARTS)] = []
    """Empty for a single PUT."""


class Submitted(_Shown):
    upload_id: UUID
    file_id: UUID
    status: Status


class Aborted(_Shown):
    aborted: Literal[True] = True


class AccountStatus(_Shown):
    account_id: str
    platform: str
    """The kind of the account."""
    status: Status
    external_id: str | None
    """What the platform calls it, where it does."""
    error_code: str | None
    error_message: str | None


class UploadStatus(_Shown):
    upload_id: UUID
    status: Status
    """Of all accounts: an end is told when all have come to one, and then a failure first."""
    scheduled_on: str | None
    accounts: list[AccountStatus]


class UploadEntry(UploadStatus):
    title: str
    file_name: str | None
    file_size: int | None
    content_type: str | None
    created_at: str


class UploadPage(_Shown):
    uploads: list[UploadEntry]
    """Newest first."""
    next_cursor: str | None
    """Ask again with `cursor` set to this for what is older; null: there is no more."""


class ListQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Annotated[str, Field(max_length=120)] | None = None
    status: Status | None = None
    account: Annotated[str, Field(max_length=100)] | None = None
    since: Annotated[Moment | None, Field(validation_alias="from")] = None
    until: Annotated[Moment | None, Field(validation_alias="to")] = None


class KeyRequest(_Given):
    name: Annotated[str, Field(min_length=1, max_length=100)] | None = None


class GeneratedKey(_Shown):
    api_key: str
    """Shown this once."""
    name: str
    created_at: str


class ErrorView(_Shown):
    code: str
    """Stable; for programs."""
    message: str
    details: dict[str, Any]


class ErrorBody(BaseModel):
    error: ErrorView

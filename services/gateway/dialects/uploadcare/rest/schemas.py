"""Bodies of the REST API; field names are the vendor's."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, RootModel, StringConstraints

from services.gateway.dialects.uploadcare.file_info import ContentView
from services.gateway.domain.webhook import News

Ordering = Literal["datetime_uploaded", "-datetime_uploaded"]
GroupOrdering = Literal["datetime_created", "-datetime_created"]
Limit = Annotated[int, Field(ge=1, le=1000)]


class _Documented(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True, populate_by_name=True)


class FileView(_Documented):
    uuid: UUID
    url: str
    """Of this description."""
    size: int
    mime_type: str
    """As declared; `content_info.mime` is what the bytes really are."""
    is_image: bool
    is_ready: bool
    """Inspected; stays so when the file is removed."""
    original_filename: str
    original_file_url: str | None
    """null where the file is removed."""
    datetime_uploaded: str
    datetime_stored: str | None
    datetime_removed: str | None
    content_info: ContentView | None
    metadata: dict[str, str]
    variations: None = None


class MemberView(FileView):
    """A file of a group."""

    default_effects: str


class TotalsView(BaseModel):
    removed: int
    stored: int
    unstored: int


class _Page(_Documented):
    next: str | None
    """Address of the next page."""
    previous: str | None
    total: int
    per_page: int


class FilePage(_Page):
    totals: TotalsView
    results: list[FileView]


class FileListQuery(BaseModel):
    removed: bool = False
    stored: bool | None = None
    limit: Limit = 100
    ordering: Ordering = "datetime_uploaded"
    start: Annotated[str | None, Field(alias="from", max_length=100)] = None


class FileIds(RootModel[list[str]]):
    """UUIDs of at most 100 files."""


class BatchAnswer(BaseModel):
    status: Literal["ok"] = "ok"
    problems: dict[str, str]
    """UUID → why nothing was done."""
    result: list[FileView]


class CopyRequest(_Documented):
    source: Annotated[str, Field(min_length=1, max_length=2048)]
    """UUID or CDN address of the file, without image operations."""
    store: bool | Literal["auto"] = False
    """`auto`: as the project does."""


class CopyAnswer(BaseModel):
    type: Literal["file"] = "file"
    result: FileView


class Metadata(RootModel[dict[str, str]]):
    """All keys and values of a file."""


class MetadataValue(RootModel[str]):
    """The value of one key: 1 to 512 characters."""


class GroupSummary(_Documented):
    id: Annotated[str, Field(examples=["0513dda0-582f-447d-846f-096e5df9e2bb~2"])]
    datetime_created: str
    files_count: int
    cdn_url: str
    url: str


class GroupView(GroupSummary):
    files: list[MemberView | None]
    """In the group's order; null where a file is removed."""


class GroupPage(_Page):
    results: list[GroupSummary]


class GroupListQuery(BaseModel):
    limit: Limit = 100
    ordering: GroupOrdering = "datetime_created"
    start: Annotated[str | None, Field(alias="from", max_length=100)] = None


class ProjectView(_Documented):
    name: str
    pub_key: str
    autostore_enabled: bool
    collaborators: list[dict[str, Any]] = []


TargetUrl = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]
SigningSecret = Annotated[str, StringConstraints(max_length=32)]


class HookRequest(_Documented):
    target_url: TargetUrl
    """http or https; told each event at most once per project."""
    event: News = News.UPLOADED
    is_active: bool = True
    signing_secret: SigningSecret | None = None
    """The body is signed with it: `X-Uc-Signature: v1=<hex of HMAC-SHA256>`."""
    version: Literal["0.7"] = "0.7"


class HookChange(_Documented):
    """What is not given stays as it is."""

    target_url: TargetUrl | None = None
    event: News | None = None
    is_active: bool | None = None
    signing_secret: SigningSecret | None = None
    """Empty or null: no signature any more."""
    version: Literal["0.7"] | None = None


class Unsubscription(BaseModel):
    target_url: TargetUrl


class HookView(_Documented):
    id: int
    project: int
    created: str
    updated: str
    event: News
    target_url: str
    is_active: bool
    signing_secret: str | None
    version: Literal["0.7"] = "0.7"


class HookList(RootModel[list[HookView]]):
    """All webhooks of the project."""


class ErrorBody(_Documented):
    detail: Annotated[str, Field(examples=["Not found."])]
    non_field_errors: list[str] = []
    """Given where a webhook is not unique."""

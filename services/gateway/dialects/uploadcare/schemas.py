"""Forms and answers of the Uploadcare API, for its document. Forms may hold other fields, which are ignored."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.gateway.dialects.uploadcare.file_info import FileInfo

Store = Literal["0", "1", "auto"]
Flag = Literal["0", "1"]


class _Form(BaseModel):
    model_config = ConfigDict(
        extra="allow",
        use_attribute_docstrings=True,
        populate_by_name=True,
        json_schema_extra={
            "patternProperties": {
                r"^metadata\[[-_.:A-Za-z0-9]{1,64}\]$": {"type": "string", "minLength": 1, "maxLength": 512},
            },
            "additionalProperties": {"type": "string"},
        },
    )


class _Signed(_Form):
    signature: str | None = None
    """Of a project with signed uploads: hexadecimal HMAC-SHA256 of `expire` under the secret key."""
    expire: Annotated[str | None, Field(pattern=r"^[0-9]{1,10}$")] = None
    """Until when the signature is valid, in Unix seconds."""


class BaseForm(_Signed):
    """Every part with a file name is a file; its field's name is the key in the answer."""

    pub_key: Annotated[str, Field(alias="UPLOADCARE_PUB_KEY")]
    store: Annotated[Store, Field(alias="UPLOADCARE_STORE")] = "0"
    """`1` keeps the file, `0` deletes it after 24 hours, `auto` is the project's choice."""
    file: Annotated[str, Field(json_schema_extra={"type": "string", "contentMediaType": "application/octet-stream"})]
    """Smaller than 100 MB. Any name will do, and several files may come."""
    file_id: Annotated[str | None, Field(alias="UPLOADCARE_FILE_ID")] = None
    """A UUID that the file shall have."""
    action: Annotated[str | None, Field(alias="UPLOADCARE_ACTION")] = None
    """Where a browser is led with 303 afterwards."""


class StartForm(_Signed):
    pub_key: Annotated[str, Field(alias="UPLOADCARE_PUB_KEY")]
    store: Annotated[Store, Field(alias="UPLOADCARE_STORE")] = "0"
    filename: str
    size: Annotated[int, Field(ge=10485760)]
    """Exact, in bytes."""
    content_type: str
    part_size: Annotated[int, Field(ge=5242880, le=5368709120)] = 5242880


class CompleteForm(_Form):
    pub_key: Annotated[str, Field(alias="UPLOADCARE_PUB_KEY")]
    uuid: str
    """From `/multipart/start/`."""


class FromUrlForm(_Signed):
    pub_key: str
    source_url: str
    """http or https, at a public address."""
    store: Store = "0"
    filename: str | None = None
    """Otherwise the source's own name for it."""
    check_duplicates: Annotated[Flag, Field(alias="check_URL_duplicates")] = "0"
    """`1`: answer the file that was fetched from there before."""
    save_duplicates: Annotated[Flag | None, Field(alias="save_URL_duplicates")] = None
    """`1`: remember the source; as `check_URL_duplicates` where it is not given."""


class GroupForm(_Signed):
    pub_key: str
    files: Annotated[list[str], Field(alias="files[]")]
    """File UUIDs or CDN URLs, with or without image operations; also as `files[0]`, `files[1]`, …"""


class Started(BaseModel):
    uuid: str
    parts: list[str]
    """URLs for PUT, in the order of the parts."""


class FetchToken(BaseModel):
    type: Literal["token"]
    token: str


class FetchedBefore(FileInfo):
    type: Literal["file_info"]


class FetchUnknown(BaseModel):
    status: Literal["unknown"]


class FetchProgress(BaseModel):
    status: Literal["waiting", "progress"]
    done: int
    total: int | Literal["unknown"]


class FetchError(BaseModel):
    status: Literal["error"]
    error: str
    error_code: str


class FetchSuccess(FileInfo):
    status: Literal["success"]


class GroupMember(FileInfo):
    default_effects: str


class GroupView(BaseModel):
    id: Annotated[str, Field(examples=["0d712319-b970-4602-850c-bae1ced521a6~1"])]
    datetime_created: str
    datetime_stored: None
    files_count: int
    cdn_url: str
    url: str
    files: list[GroupMember | None]
    """null for a file that is gone."""


class UploadedIds(BaseModel):
    """The files' ids by the names of their fields."""

    model_config = ConfigDict(
        json_schema_extra={"type": "object", "additionalProperties": {"type": "string", "format": "uuid"}}
    )


class ErrorDetail(BaseModel):
    status_code: int
    content: str
    error_code: Annotated[str, Field(examples=["ProjectPublicKeyInvalidError"])]


class ErrorBody(BaseModel):
    """With `jsonerrors=1` in the query its HTTP status is 200; with `Accept: text/plain` only the sentence is sent."""

    error: ErrorDetail

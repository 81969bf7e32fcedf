"""Bodies of the MediaLab API. Requests may come as form data, urlencoded or JSON (part 2.1)."""

import re
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from libs.file_name.name import without_invisible

MAX_BIGINT: Final = 2**63 - 1
MAX_EXTENSIONS: Final = 200
MAX_TITLE: Final = 255

FolderNumber = Annotated[int, Field(ge=0, le=MAX_BIGINT)]
"""0: the root."""
Limit = Annotated[int, Field(ge=1, le=MAX_BIGINT)]
Title = Annotated[str, Field(max_length=MAX_TITLE), AfterValidator(without_invisible)]

_BETWEEN = re.compile(r"[\s,;|]+")


def _extensions(value: object) -> object:
    """`jpg, .PNG`, or a list of such: the vendor does not publish the form."""
    given = value if isinstance(value, list) else [value]
    texts = [text for text in given if isinstance(text, str)]
    if len(texts) < len(given):
        return value
    found = (extension.lower().lstrip(".") for text in texts for extension in _BETWEEN.split(text))
    return [extension for extension in dict.fromkeys(found) if extension]


Extensions = Annotated[
    list[Annotated[str, Field(pattern=r"^[^\s./\\]{1,32}$")]], BeforeValidator(_extensions), Field(max_length=MAX_EXTENSIONS)
]


class _Fields(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)

    access_token: str | None = None
    """An OAuth2 token, instead of the `Authorization` header."""

    @model_validator(mode="before")
    @classmethod
    def _given(cls, values: Any) -> Any:
        """What a form leaves empty, and null, is not given."""
        if not isinstance(values, dict):
            return values
        return {name: value for name, value in values.items() if value is not None and value != ""}


class UploadIdRequest(_Fields):
    """Fields that are not known are ignored."""

    folder_id: FolderNumber = 0
    """For files that name none; 0: the root."""
    max_filesize: Limit | None = None
    """Bytes of each file."""
    max_files: Limit | None = None
    max_size: Limit | None = None
    """Bytes of all files together."""
    file_extensions: Extensions = []
    """Those that are accepted, with or without the dot, between commas or as a list; all where there are none."""
    no_transcode: bool = False
    hide_response: bool = False
    """The upload's answer does not tell the file's id; the one to the finish call does."""
    autofinish: bool = True
    """The first upload finishes the id."""


class UploadIdFinish(_Fields):
    ulid: str | None = None
    """Where the address does not say it."""


class RemoteRequest(_Fields):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    url: Annotated[str, StringConstraints(strip_whitespace=True, max_length=2048)]
    """http or https, public."""
    folder_id: FolderNumber = 0
    title: Title | None = None
    """The file's name as its source tells it, where this is not given."""


class BlobRequest(_Fields):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    container_id: UUID
    """A bucket or an Azure container that the operator has linked."""
    key: Annotated[str, Field(max_length=1024)]
    """Of the object in it."""
    folder_id: FolderNumber = 0
    title: Title | None = None
    """The last segment of its key where this is not given."""


class FolderRequest(_Fields):
    name: Annotated[str, Field(max_length=MAX_TITLE)]


class UploadForm(BaseModel):
    """Several files may come in one form; then `folder_id` and `title` stand once for all of them, or once for each."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    file: Annotated[str, Field(json_schema_extra={"type": "string", "contentMediaType": "application/octet-stream"})]
    folder_id: FolderNumber | None = None
    """Instead of the upload id's own."""
    title: Title | None = None
    """Its file name where this is not given."""


# ---------------------------------------------------------------- answers


class View(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True, json_schema_serialization_defaults_required=True)


class Links(View):
    rel: str
    """The upload id's own path."""
    upload: str
    """Takes files with an `Authorization` header."""
    finish: str
    """Takes DELETE."""


class UploadIdView(View):
    ulid: str
    expires: int
    """Unix seconds."""
    expires_in: int
    """Seconds from now."""
    url_upload_direct: str
    """Takes files without any other credentials; `&folder_id=` may be appended."""
    api: Links


class FileView(View):
    file_id: UUID
    title: str
    folder_id: int
    size: int | None
    """Bytes."""


class Uploaded(BaseModel):
    """What `hide_response` hides is left out."""

    status: Literal["success"] = "success"
    file_id: UUID | None = None
    """Of the first file."""
    files: list[FileView] | None = None


class Finished(View):
    status: Literal["success"] = "success"
    files: list[FileView]


class RemoteView(View):
    status: Literal["success"] = "success"
    file_id: UUID


class FolderView(View):
    folder_id: int
    name: str
    """Empty: the root."""
    parent_id: int | None


class FolderCreated(FolderView):
    status: Literal["success"] = "success"


class ContentsView(View):
    folder_id: int
    folders: list[FolderView]
    """With the first page only."""
    files: list[FileView]
    next_cursor: UUID | None
    """For the next page of files; null: this was the last."""


class ErrorBody(View):
    error: Annotated[str, Field(examples=["invalid_token"])]
    """Stable."""
    error_description: str
    """For developers."""
    user_message: str

"""Bodies of the json2video API as JSON; field names are the vendor's."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictStr


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True, populate_by_name=True)


class FileRequest(_Request):
    name: Annotated[str, Field(min_length=1)]
    """File name; characters outside `[a-zA-Z0-9._-]` become `_`."""
    content_type: Annotated[str, Field(alias="contentType", min_length=1)]
    """MIME type; decides whether the file is shown as image, video, audio or other."""
    size: Annotated[int, Field(gt=0)]
    """Exact size in bytes, at most 524288000."""
    folder: str | None = None
    """Root when it is empty; files in `temp` are deleted after a day."""


class FolderRequest(_Request):
    folder: Annotated[str, Field(min_length=1)]
    """Path; characters outside `[a-zA-Z0-9/_-]` are dropped."""


class MoveRequest(_Request):
    name: Annotated[str, Field(min_length=1)]
    folder: str | None = None
    destination: Annotated[str, Field(min_length=1)]
    """Folder to move to; `/` is the root."""


class DeleteRequest(_Request):
    name: Annotated[str, Field(min_length=1)]
    folder: str | None = None


class PathQuery(BaseModel):
    path: StrictStr = ""


class ListQuery(BaseModel):
    path: StrictStr | None = None
    folder: StrictStr | None = None
    """Another name of `path`."""
    tree: Literal["true", "false", "1", "0", ""] = "false"
    type: Literal["image", "video", "audio", "other"] | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    cursor: StrictStr = ""

    @property
    def wants_tree(self) -> bool:
        return self.tree in ("true", "1")


class _Success(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True, populate_by_name=True)

    success: Literal[True] = True


class FileCreated(_Success):
    upload_url: Annotated[str, Field(alias="uploadUrl")]
    """Takes one PUT with the declared Content-Type and size."""
    file_url: Annotated[str, Field(alias="fileUrl")]
    expires_in: Annotated[int, Field(alias="expiresIn", examples=[120])]
    """Seconds until `uploadUrl` expires."""


class FolderAnswer(_Success):
    timestamp: Annotated[str, Field(examples=["2026-05-12T10:49:52.924Z"])]
    message: str | None = None


class Done(_Success):
    message: str


class Storage(BaseModel):
    used_bytes: int
    """Of uploaded files that are not temporary."""
    free_allowance: int
    credits_per_week: float
    blocked: bool
    blocked_at: str | None


class StorageAnswer(_Success):
    storage: Storage


class FileView(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    name: str
    folder: str
    type: Literal["image", "video", "audio", "other"]
    content_type: Annotated[str, Field(alias="contentType")]
    size: int
    url: str
    thumbnail_url: Annotated[str | None, Field(alias="thumbnailUrl")]
    status: Literal["pending", "uploaded"]
    temporary: bool
    created_at: str


class FileAnswer(_Success):
    file: FileView


class FolderEntry(BaseModel):
    name: str
    path: str


class FolderStatsView(FolderEntry):
    files: int
    size: int
    """Bytes of the uploaded files directly in it."""


class ListAnswer(_Success):
    folder: str
    folders: list[FolderEntry]
    files: list[FileView]
    next_cursor: str | None
    """Give it as `cursor` for the next page; null on the last one."""


class TreeAnswer(_Success):
    folder: str
    folders: list[FolderStatsView]


class ErrorBody(BaseModel):
    success: Literal[False] = False
    message: Annotated[str, Field(examples=["name is required"])]

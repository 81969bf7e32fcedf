"""What `/platform/v1/containers` and `/platform/v1/watch-folders` take and answer. Credentials go in and never come out."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from contracts.container import AzureContainer, ContainerKind, S3Container, WatchedDirectory
from contracts.events import WatchFolderKind
from services.gateway.domain.container import LinkedContainer, WatchFolder

Name = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]


class ContainerRequest(BaseModel):
    """Storage from which files may be taken."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)

    name: Name
    tenant_id: UUID | None = None
    """Whose it is; the first tenant of the installation where it is not given."""
    settings: Annotated[S3Container | AzureContainer, Field(discriminator="kind")]
    """How it is reached; kept encrypted and never shown."""


class ContainerView(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)

    id: UUID
    tenant_id: UUID
    kind: ContainerKind
    name: str
    place: str
    """Address and bucket or container."""
    created_at: datetime

    @classmethod
    def of(cls, container: LinkedContainer) -> Self:
        return cls(**{name: getattr(container, name) for name in cls.model_fields})


class ContainerPage(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)

    containers: list[ContainerView]
    """Newest first."""
    next_cursor: str | None
    """Ask again with `cursor` set to this for what is older; null: there is no more."""


class WatchFolderRequest(BaseModel):
    """A place whose files become uploads."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    name: Name
    tenant_id: UUID | None = None
    """Whose the uploads are; the first tenant of the installation where it is not given."""
    kind: WatchFolderKind
    path: str | None = None
    """Of a directory: below the root of all watch folders (`LONGSHORE_WATCH_DIR`)."""
    container_id: UUID | None = None
    """Of a bucket: a linked container of kind s3 of the same tenant."""
    prefix: Annotated[str, Field(max_length=500, pattern=r"^([^/\x00]+/)*$")] = ""
    """Of a bucket: empty, or folders that end in a slash."""
    on_success: Literal["delete", "move"] = "delete"
    """What happens to a file that has become an upload: it goes, or it goes to `.done/` in the watch folder."""

    @model_validator(mode="after")
    def _names_its_place(self) -> Self:
        if self.kind == "directory":
            if self.path is None or self.container_id is not None or self.prefix:
                raise ValueError("a directory has a path, and neither container_id nor prefix")
            self.path = WatchedDirectory(path=self.path).path
        elif self.container_id is None or self.path is not None:
            raise ValueError("a bucket has a container_id and no path")
        return self


class WatchFolderView(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)

    id: UUID
    tenant_id: UUID
    kind: WatchFolderKind
    name: str
    path: str | None
    container_id: UUID | None
    prefix: str | None
    on_success: Literal["delete", "move"]
    created_at: datetime

    @classmethod
    def of(cls, folder: WatchFolder) -> Self:
        return cls(**{name: getattr(folder, name) for name in cls.model_fields})


class WatchFolderPage(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)

    watch_folders: list[WatchFolderView]
    """Newest first."""
    next_cursor: str | None
    """Ask again with `cursor` set to this for what is older; null: there is no more."""

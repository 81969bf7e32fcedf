"""Storage of others that an operator has linked for a tenant, and the places that are watched for its files."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NewType
from uuid import UUID

from contracts.container import Container, ContainerKind, S3Container
from contracts.events import WatchFolderKind
from contracts.ids import TenantId

ContainerId = NewType("ContainerId", UUID)
WatchFolderId = NewType("WatchFolderId", UUID)
OnSuccess = Literal["delete", "move"]


@dataclass(frozen=True)
class LinkedContainer:
    id: ContainerId
    tenant_id: TenantId
    kind: ContainerKind
    name: str
    place: str
    """Address and bucket or container, without credentials."""
    settings_sealed: str = field(repr=False)
    created_at: datetime


@dataclass(frozen=True)
class WatchFolder:
    id: WatchFolderId
    tenant_id: TenantId
    kind: WatchFolderKind
    name: str
    path: str | None
    """Of a directory: below the root of all watch folders."""
    container_id: ContainerId | None
    """Of a bucket, as is the prefix."""
    prefix: str | None
    on_success: OnSuccess
    created_at: datetime


def place_of(settings: Container) -> str:
    if isinstance(settings, S3Container):
        return f"{settings.endpoint}/{settings.bucket}"
    return f"{settings.account_url}/{settings.container}"

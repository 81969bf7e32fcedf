"""What serving a file needs to know of its upload: a narrow part of `Upload`."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from contracts.ids import TenantId, UploadId
from services.gateway.domain.project import ProjectId
from services.gateway.domain.upload import State, UploadProgress


@dataclass(frozen=True)
class ServedFile(UploadProgress):
    id: UploadId
    tenant_id: TenantId
    project_id: ProjectId | None
    dialect: str
    state: State
    version: int
    name: str | None
    staging_key: str
    object_key: str
    size_bytes: int | None
    mime_type: str | None
    content_type: str | None
    declared_content_type: str | None
    file_expires_at: datetime | None
    completed_at: datetime | None
    deleted_at: datetime | None
    multipart_id: str | None
    fetch_token: UUID | None
    finished_at: datetime | None
    stream_playlist: str | None

"""An upload that is about to be registered: the projection's first row and the events about it."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Final, Literal
from uuid import UUID, uuid4

from contracts.events import Callback, Constraints, FetchRequested, Stage, Transfer, UploadEvent, UploadRegistered
from contracts.ids import TenantId, UploadId
from services.gateway.domain.project import ProjectId

MAX_UPLOAD_BYTES: Final = 5 * 2**30
"""Of one file, where neither the operator nor the API says otherwise; also what S3 takes in one PUT."""


@dataclass(frozen=True)
class Source:
    """Where the platform shall fetch the bytes."""

    url: str
    saved_hash: bytes | None = None
    """By this the file may be found again; None where that was not asked for."""
    container_sealed: str | None = None
    """How the linked container is reached, where it lies in one."""
    token: UUID = field(default_factory=uuid4)
    """By this the client asks how the fetch is getting on."""


@dataclass(frozen=True)
class Registration:
    id: UploadId
    tenant_id: TenantId
    dialect: Literal["eachlabs", "json2video", "medialab", "upload24", "uploadcare"]
    registered_at: datetime
    url_expires_at: datetime
    deadline_at: datetime
    file_expires_at: datetime | None
    content_type: str
    """Declared, and bound by the signed URL where there is one. Of a fetched file the source tells it."""
    max_size_bytes: int
    min_size_bytes: int = 0
    transfer: Transfer = "single_put"
    multipart_id: str | None = None
    """The store's id of the multipart upload that was opened for it."""
    source: Source | None = None
    """Of a fetched one."""
    size_bytes: int | None = None
    """Exact, where the API asks for it."""
    allowed_types: tuple[str, ...] = ()
    """MIME types that alone are taken; empty: all."""
    forbidden_types: tuple[str, ...] = ()
    folder: str = ""
    name: str | None = None
    holds_name: bool = False
    """It is found by its name, which no other live file of the folder has."""
    temporary: bool = False
    extension: str = ""
    transcode: bool = True
    project_id: ProjectId | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    """What the client wants to be kept beside the file."""
    kept_at: datetime | None = None
    """When it was marked to be kept; None where that is not said, or not yet."""
    view: dict[str, Any] = field(default_factory=dict)
    callback: Callback | None = None
    token: str = field(default_factory=lambda: uuid4().hex)
    """The last segment of its staging key, which nobody can guess."""

    @cached_property
    def staging_key(self) -> str:
        return f"staging/{self.id}/{self.token}"

    @property
    def object_key(self) -> str:
        return f"files/{self.id}/original{self.extension}"

    def events(self) -> tuple[UploadEvent, ...]:
        """What the world is told with the registration."""
        return (self.event(), *((self._fetch(self.source),) if self.source else ()))

    def event(self) -> UploadRegistered:
        return UploadRegistered(
            upload_id=self.id,
            tenant_id=self.tenant_id,
            version=Stage.REGISTERED,
            dialect=self.dialect,
            transfer=self.transfer,
            multipart_id=self.multipart_id,
            staging_key=self.staging_key,
            object_key=self.object_key,
            constraints=Constraints(
                size_bytes=self.size_bytes,
                max_size_bytes=self.max_size_bytes,
                min_size_bytes=self.min_size_bytes,
                # Of a fetched file ingest judges the type, which the source declares and we do not.
                content_type=None if self.source else self.content_type,
                allowed_types=() if self.source else self.allowed_types,
                forbidden_types=() if self.source else self.forbidden_types,
            ),
            file_name=self.name,
            transcode=self.transcode,
            registered_at=self.registered_at,
            url_expires_at=self.url_expires_at,
            deadline_at=self.deadline_at,
            file_expires_at=self.file_expires_at,
            callback=self.callback,
        )

    def _fetch(self, source: Source) -> FetchRequested:
        return FetchRequested(
            upload_id=self.id,
            tenant_id=self.tenant_id,
            version=Stage.REGISTERED,
            source_url=source.url,
            container_encrypted=source.container_sealed,
            staging_key=self.staging_key,
            max_size_bytes=self.max_size_bytes,
            allowed_types=self.allowed_types,
            forbidden_types=self.forbidden_types,
        )

"""An upload that is about to be registered: the projection's first row and the event about it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import uuid4

from contracts.events import Callback, Constraints, Stage, UploadRegistered
from contracts.ids import TenantId, UploadId


@dataclass(frozen=True)
class Registration:
    id: UploadId
    tenant_id: TenantId
    dialect: Literal["eachlabs", "json2video"]
    registered_at: datetime
    url_expires_at: datetime
    deadline_at: datetime
    file_expires_at: datetime | None
    content_type: str
    """Bound by the signed URL."""
    max_size_bytes: int
    size_bytes: int | None = None
    """Exact, where the API asks for it."""
    folder: str = ""
    name: str | None = None
    """A named file is found by its name, which no other live file of the folder has."""
    temporary: bool = False
    extension: str = ""
    view: dict[str, Any] = field(default_factory=dict)
    callback: Callback | None = None
    token: str = field(default_factory=lambda: uuid4().hex)

    @property
    def staging_key(self) -> str:
        return f"staging/{self.id}/{self.token}"

    @property
    def object_key(self) -> str:
        return f"files/{self.id}/original{self.extension}"

    def event(self) -> UploadRegistered:
        return UploadRegistered(
            upload_id=self.id,
            tenant_id=self.tenant_id,
            version=Stage.REGISTERED,
            dialect=self.dialect,
            staging_key=self.staging_key,
            object_key=self.object_key,
            constraints=Constraints(
                size_bytes=self.size_bytes, max_size_bytes=self.max_size_bytes, content_type=self.content_type
            ),
            file_name=self.name,
            registered_at=self.registered_at,
            url_expires_at=self.url_expires_at,
            deadline_at=self.deadline_at,
            file_expires_at=self.file_expires_at,
            callback=self.callback,
        )

"""Between the words of the MediaLab API and the gateway's own."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from contracts.ids import TenantId, UploadId
from libs.postgres.database import Connection
from services.gateway.deps import Deps
from services.gateway.dialects.medialab.schemas import FileView
from services.gateway.domain.registration import Registration
from services.gateway.domain.upload import Upload
from services.gateway.store import NumberedFolderStore

DIALECT: Final = "medialab"


def to_registration(
    deps: Deps, tenant_id: TenantId, upload_id: UploadId, *, folder: str, title: str | None, now: datetime, **about: Any
) -> Registration:
    """Kept for good. `about`: the fields of Registration that depend on how the bytes come. Its name is no other file's
    business: several files of a folder may have the same."""
    return Registration(
        id=upload_id,
        tenant_id=tenant_id,
        dialect=DIALECT,
        registered_at=now,
        url_expires_at=now,
        deadline_at=deps.limits.put_deadline(now, about.get("size_bytes")),
        file_expires_at=None,
        folder=folder,
        view={} if title is None else {"title": title},
        **about,
    )


async def file_views(connection: Connection, tenant_id: TenantId, uploads: Sequence[Upload]) -> list[FileView]:
    paths = list(dict.fromkeys(upload.folder for upload in uploads))
    numbers = {folder.path: folder.number for folder in await NumberedFolderStore(connection).numbered(tenant_id, paths)}
    return [to_view(upload, numbers[upload.folder]) for upload in uploads]


def to_view(upload: Upload, folder_number: int) -> FileView:
    return FileView(
        file_id=upload.id,
        title=upload.view.get("title") or upload.name or str(upload.id),
        folder_id=folder_number,
        size=upload.declared_size_bytes if upload.size_bytes is None else upload.size_bytes,
    )

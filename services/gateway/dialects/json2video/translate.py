"""Between the words of the json2video API and the gateway's own."""

from datetime import UTC, datetime
from typing import Final

from contracts.ids import new_upload_id
from services.gateway.auth import Principal
from services.gateway.deps import Deps
from services.gateway.dialects.json2video.schemas import FileRequest, FileView
from services.gateway.domain.content_type import UNDECLARED, extension_of, is_content_type, kind_of
from services.gateway.domain.error import FileTooLargeError, InvalidFieldError, StorageBlockedError
from services.gateway.domain.name import file_name, file_url, folder_path, is_temporary
from services.gateway.domain.registration import Registration
from services.gateway.domain.upload import Upload

DIALECT: Final = "json2video"
MAX_FILE_BYTES: Final = 500 * 2**20
"""J-02; megabytes are binary here (5.4.1)."""


def to_registration(body: FileRequest, principal: Principal, deps: Deps, now: datetime) -> Registration:
    """Checks in the order in which the API states its errors.

    Raises InvalidFieldError, StorageBlockedError or FileTooLargeError.
    """
    name = file_name(body.name)
    if not is_content_type(body.content_type):
        raise InvalidFieldError("contentType", "contentType is not a MIME type")
    folder = folder_path(body.folder or "")
    if principal.storage_blocked_at is not None:
        raise StorageBlockedError
    if body.size > MAX_FILE_BYTES:
        raise FileTooLargeError
    temporary = is_temporary(folder)
    url_expires_at = now + deps.limits.json2video_url
    return Registration(
        id=new_upload_id(),
        tenant_id=principal.tenant_id,
        dialect=DIALECT,
        registered_at=now,
        url_expires_at=url_expires_at,
        deadline_at=deps.limits.put_deadline(url_expires_at, body.size),
        file_expires_at=now + deps.limits.temporary if temporary else None,
        content_type=body.content_type,
        max_size_bytes=body.size,
        size_bytes=body.size,
        folder=folder,
        name=name,
        holds_name=True,
        temporary=temporary,
        extension=extension_of(body.content_type),
    )


def to_view(upload: Upload, base_url: str, client_id: str) -> FileView:
    declared = upload.declared_content_type or UNDECLARED
    name = upload.name or ""
    size = upload.size_bytes if upload.size_bytes is not None else upload.declared_size_bytes
    return FileView(
        name=name,
        folder=shown(upload.folder),
        type=kind_of(declared),
        content_type=declared,
        size=size or 0,
        url=file_url(base_url, client_id, upload.folder, name),
        thumbnail_url=_thumbnail_url(upload, base_url),
        status="uploaded" if upload.has_file else "pending",
        temporary=upload.temporary,
        created_at=timestamp(upload.created_at),
    )


def _thumbnail_url(upload: Upload, base_url: str) -> str | None:
    for rendition in upload.renditions if upload.ready else ():
        if rendition["kind"] in ("thumbnail", "poster"):
            return f"{base_url}/renditions/{upload.id}/{rendition['name']}"
    return None


def shown(folder: str) -> str:
    """A folder as answers name it, in a form that every request accepts."""
    return folder or "/"


def timestamp(at: datetime) -> str:
    """`2026-05-12T10:49:52.924Z`"""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

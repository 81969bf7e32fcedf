"""Which object lies behind a public address, if it is published now."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from uuid import UUID

from contracts.events import Stage
from contracts.ids import UploadId
from services.gateway.domain.content_type import UNDECLARED
from services.gateway.domain.upload import Upload
from services.gateway.files.soon import NotYetError
from services.gateway.store.upload import UploadStore

_UPLOAD_FILE = re.compile(r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(\.[a-z0-9]{1,10})?")
_RENDITION = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)*[A-Za-z0-9_-][A-Za-z0-9._-]*")
_LONGEST_RENDITION = 100
"""Characters; ours are shorter, and no store takes names of any length."""

_RENDITION_TYPES = {
    ".m3u8": "application/vnd.apple.mpegurl",
    ".ts": "video/mp2t",
    ".m4s": "video/iso.segment",
    ".mp4": "video/mp4",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".vtt": "text/vtt",
}


@dataclass(frozen=True)
class Published:
    key: str
    content_type: str
    file_name: str
    vary: str | None = None
    """The request header by which it was chosen, if any."""
    inline: bool | None = None
    """Whether it is wished to be shown, or saved; None: as its type suggests."""


async def original_by_id(uploads: UploadStore, name: str) -> Published | None:
    """Behind `/public/{upload_id}{ext}`: an eachlabs file that is READY (E-12). Raises NotYetError."""
    match = _UPLOAD_FILE.fullmatch(name)
    upload = await uploads.find(UploadId(UUID(match[1]))) if match else None
    if upload is None or match is None or upload.dialect != "eachlabs" or not kept(upload):
        return None
    if PurePosixPath(upload.object_key).suffix != (match[2] or ""):
        return None
    return original(upload) if _is_now(upload, upload.ready) else None


async def original_by_name(uploads: UploadStore, client_id: str, path: str) -> Published | None:
    """Behind `/{client_id}/files/<folder>/<name>`: a json2video file whose bytes were verified (J-12). Raises NotYetError."""
    folder, _, name = path.rpartition("/")
    upload = await uploads.find_by_client(client_id, folder, name)
    return original(upload) if upload is not None and kept(upload) and _is_now(upload, upload.has_file) else None


async def original_of_link(uploads: UploadStore, upload_id: str) -> Published | None:
    """Behind a signed link to `/downloads/{upload_id}`: any verified file. Raises NotYetError."""
    match = _UPLOAD_FILE.fullmatch(upload_id)
    upload = await uploads.find(UploadId(UUID(match[1]))) if match and not match[2] else None
    return original(upload) if upload is not None and kept(upload) and _is_now(upload, upload.has_file) else None


async def rendition(uploads: UploadStore, upload_id: str, name: str) -> Published | None:
    """Behind `/renditions/{upload_id}/{name}`: a file made from an upload that is READY. Raises NotYetError."""
    match = _UPLOAD_FILE.fullmatch(upload_id)
    if match is None or match[2] or len(name) > _LONGEST_RENDITION or _RENDITION.fullmatch(name) is None:
        return None
    upload = await uploads.find(UploadId(UUID(upload_id)))
    if upload is None or not kept(upload) or not _is_now(upload, upload.ready):
        return None
    path = PurePosixPath(name)
    content_type = _RENDITION_TYPES.get(path.suffix, UNDECLARED)
    return Published(f"files/{upload_id}/renditions/{name}", content_type, path.name)


def _is_now(upload: Upload, published: bool) -> bool:
    """Raises NotYetError where it is not, and may be soon: the file comes, or something is being made of it."""
    if not published and not upload.removed and upload.version < Stage.PROCESSED:
        raise NotYetError(upload)
    return published


def kept(upload: Upload) -> bool:
    """The end of its retention counts from that moment, not from when the bytes are deleted."""
    return upload.file_expires_at is None or upload.file_expires_at > datetime.now(UTC)


def original(upload: Upload) -> Published:
    content_type = upload.mime_type or upload.content_type or upload.declared_content_type or UNDECLARED
    name = upload.name or f"{upload.id}{PurePosixPath(upload.object_key).suffix}"
    return Published(upload.object_key, content_type, name)

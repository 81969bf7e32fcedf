"""Which object lies behind a public address, if it is published now."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from contracts.events import Stage
from contracts.ids import UploadId
from services.gateway.domain.content_type import UNDECLARED
from services.gateway.domain.served_file import ServedFile
from services.gateway.files.caching import Caching
from services.gateway.files.lookup import FileLookup
from services.gateway.files.soon import NotYetError

_UPLOAD_FILE = re.compile(r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(\.[a-z0-9]{1,10})?")
_RENDITION = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)*[A-Za-z0-9_-][A-Za-z0-9._-]*")
_STREAMED = "hls/"
"""The renditions that can be read while they are being made: segments are whole, and playlists name those that are there."""
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
    caching: Caching = Caching.REVALIDATED
    expires_at: datetime | None = None
    """When it ceases to be published under this address."""
    grows: bool = False
    """Other bytes may lie under the key at any moment."""


async def original_by_id(lookup: FileLookup, name: str) -> Published | None:
    """Behind `/public/{upload_id}{ext}`: an eachlabs file that is READY (E-12). Raises NotYetError."""
    match = _UPLOAD_FILE.fullmatch(name)
    file = await lookup.by_id(UploadId(UUID(match[1]))) if match else None
    if file is None or match is None or file.dialect != "eachlabs" or not kept(file):
        return None
    if _suffix(file.object_key) != (match[2] or ""):
        return None
    return original(file) if _is_now(file, file.ready) else None


async def original_by_name(lookup: FileLookup, client_id: str, path: str) -> Published | None:
    """Behind `/{client_id}/files/<folder>/<name>`: a json2video file whose bytes were verified (J-12). Raises NotYetError."""
    folder, _, name = path.rpartition("/")
    file = await lookup.by_name(client_id, folder, name)
    return original(file) if file is not None and kept(file) and _is_now(file, file.has_file) else None


async def original_of_link(lookup: FileLookup, upload_id: str, link_ends_at: datetime) -> Published | None:
    """Behind a signed link to `/downloads/{upload_id}`: any verified file. Raises NotYetError."""
    match = _UPLOAD_FILE.fullmatch(upload_id)
    file = await lookup.by_id(UploadId(UUID(match[1]))) if match and not match[2] else None
    if file is None or not kept(file) or not _is_now(file, file.has_file):
        return None
    ends_at = min(link_ends_at, file.file_expires_at or link_ends_at)
    return original(file, caching=Caching.PRIVATE, expires_at=ends_at)


async def rendition(lookup: FileLookup, upload_id: str, name: str) -> Published | None:
    """Behind `/renditions/{upload_id}/{name}`: a file made from an upload that is READY; before, what of a video can be played.

    Raises NotYetError.
    """
    match = _UPLOAD_FILE.fullmatch(upload_id)
    if match is None or match[2] or len(name) > _LONGEST_RENDITION or _RENDITION.fullmatch(name) is None:
        return None
    file = await lookup.by_id(UploadId(UUID(upload_id)))
    is_streamed = file is not None and file.is_streaming and name.startswith(_STREAMED)
    if file is None or not kept(file) or not _is_now(file, file.ready or is_streamed):
        return None
    grows = is_streamed and _suffix(name) == ".m3u8"
    return Published(
        f"files/{upload_id}/{'growing' if grows else 'renditions'}/{name}",
        _RENDITION_TYPES.get(_suffix(name), UNDECLARED),
        name.rpartition("/")[2],
        caching=Caching.REVALIDATED if grows else Caching.IMMUTABLE,
        expires_at=file.file_expires_at,
        grows=grows,
    )


def _is_now(file: ServedFile, published: bool) -> bool:
    """Raises NotYetError where it is not, and may be soon: the file comes, or something is being made of it."""
    if not published and not file.removed and file.version < Stage.PROCESSED:
        raise NotYetError(file)
    return published


def kept(file: ServedFile) -> bool:
    """The end of its retention counts from that moment, not from when the bytes are deleted."""
    return file.file_expires_at is None or file.file_expires_at > datetime.now(UTC)


def original(file: ServedFile, *, caching: Caching = Caching.REVALIDATED, expires_at: datetime | None = None) -> Published:
    content_type = file.mime_type or file.content_type or file.declared_content_type or UNDECLARED
    name = file.name or f"{file.id}{_suffix(file.object_key)}"
    return Published(file.object_key, content_type, name, caching=caching, expires_at=expires_at or file.file_expires_at)


def _suffix(path: str) -> str:
    """As `PurePosixPath.suffix`, which takes longer than all else that is done here."""
    stem, dot, extension = path.rpartition("/")[2].rpartition(".")
    return f".{extension}" if dot and stem and extension else ""

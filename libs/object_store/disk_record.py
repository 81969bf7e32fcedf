"""What the disk store knows about an object, at the end of the object's own file.

Such a file is `<content><record as JSON><length of the JSON, 4 bytes><magic, 4 bytes>`. The content of a large object lies in a
file of its own, a blob, which the record names; then nothing comes before the record. The key is told by the file's place: a
move changes no byte.
"""

import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex

import orjson

from libs.object_store.port import ObjectInfo

_FOOTER = struct.Struct(">I4s")
_MAGIC = b"LSO2"
_TAIL_BYTES = 4096
"""Read at once from the end of a file: nearly all records are shorter."""


@dataclass(frozen=True)
class ObjectRecord:
    key: str
    """Where the object was written first; it may have moved since."""
    size_bytes: int
    etag: str
    crc32c: str
    """Of the content, hexadecimal."""
    modified_at: str
    """ISO 8601."""
    content_type: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    blob: str | None = None
    """The name of the file that has the content; None: it comes before this record."""

    def info(self, key: str) -> ObjectInfo:
        at = datetime.fromisoformat(self.modified_at)
        return ObjectInfo(key, self.size_bytes, self.etag, at, self.content_type, self.metadata)

    def packed(self) -> bytes:
        """What follows the content."""
        text = orjson.dumps(self)
        return text + _FOOTER.pack(len(text), _MAGIC)


def new_record(
    key: str,
    size_bytes: int,
    crc32c: str,
    content_type: str,
    metadata: Mapping[str, str],
    *,
    etag: str | None = None,
    blob: str | None = None,
) -> ObjectRecord:
    """Of an object that comes now; `etag` None: one that nothing else has."""
    now = datetime.now(UTC).isoformat()
    # The dash keeps clients from taking the ETag for an MD5, as with S3's multipart objects.
    return ObjectRecord(key, size_bytes, etag or f"{token_hex(16)}-1", crc32c, now, content_type, dict(metadata), blob)


def new_blob_name() -> str:
    return token_hex(16)


def read_record(path: str | Path) -> ObjectRecord | None:
    """None where there is no such file, or it has no whole record (which nothing but a crash leaves)."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        return record_of(fd)
    finally:
        os.close(fd)


def record_of(fd: int) -> ObjectRecord | None:
    """As `read_record`, of an open file."""
    size_bytes = os.fstat(fd).st_size
    start = max(0, size_bytes - _TAIL_BYTES)
    tail = os.pread(fd, _TAIL_BYTES, start)
    if len(tail) < _FOOTER.size:
        return None
    length, magic = _FOOTER.unpack_from(tail, len(tail) - _FOOTER.size)
    begin = len(tail) - _FOOTER.size - length
    if magic != _MAGIC or begin + start < 0:
        return None
    text = tail[begin : -_FOOTER.size] if begin >= 0 else os.pread(fd, length, start + begin)
    try:
        return ObjectRecord(**orjson.loads(text))
    except (orjson.JSONDecodeError, TypeError):
        return None

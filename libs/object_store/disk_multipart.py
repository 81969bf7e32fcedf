"""The disk store's open multipart uploads. Blocking: for worker threads, of one process.

An upload is a folder `multipart/<id>/` with `upload.json` (what it is for) and a file per part, whose name tells its number,
CRC-32C and ETag. It is open for as long as `upload.json` is there: making that is the last step of its start, removing it the
first of its end. Parts are durable before they are acknowledged; what a crash left is removed by `sweep`.

The finished object's ETag is the upload's id and the number of parts, so that a completion which is asked for again, even
after a crash in the middle, finds out that it was done.
"""

import os
import re
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from zlib import crc32

import orjson

from libs.object_store.disk_files import DiskFiles
from libs.object_store.durable import sync_folder, write_durably
from libs.object_store.incoming import Incoming
from libs.object_store.port import InvalidPartsError, MultipartNotFoundError, ObjectInfo, OpenMultipart, Part

RECORD = "upload.json"
_ID = re.compile(r"[0-9a-f]{32}")
_LOCKS = 64


@dataclass(frozen=True)
class Record:
    """The content of `upload.json`."""

    key: str
    started_at: str
    content_type: str
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PartFile:
    """A part that came in whole."""

    path: Path
    part: Part
    crc32c: int


class DiskMultipart:
    def __init__(self, root: Path, files: DiskFiles) -> None:
        self.folder = root / "multipart"
        self._files = files
        self._locks = [threading.Lock() for _ in range(_LOCKS)]

    def start(self, key: str, content_type: str, metadata: Mapping[str, str]) -> str:
        self._files.folder(key)
        multipart_id = token_hex(16)
        folder = self.folder / multipart_id
        folder.mkdir()
        record = Record(key, datetime.now(UTC).isoformat(), content_type, dict(metadata))
        temporary = folder / f".{RECORD}"
        write_durably(temporary, orjson.dumps(asdict(record)))
        temporary.rename(folder / RECORD)
        sync_folder(folder)
        sync_folder(self.folder)
        return multipart_id

    def find(self, key: str, multipart_id: str) -> Record:
        """Raises MultipartNotFoundError unless it is open, and for this key."""
        record = _read(self.folder / multipart_id) if _ID.fullmatch(multipart_id) else None
        if record is None or record.key != key:
            raise MultipartNotFoundError(multipart_id)
        return record

    def commit(self, incoming: Incoming, key: str, multipart_id: str, number: int) -> Part:
        """Makes `incoming` a part, durable before this returns, in place of what had its number."""
        try:
            incoming.finish()
            part = Part(number, incoming.size_bytes, token_hex(16))
            with self._open(key, multipart_id) as folder:
                replaced = list(folder.glob(f"{number:05}-*"))
                incoming.path.rename(folder / _name(part, incoming.crc32c))
                sync_folder(folder)
                for path in replaced:
                    path.unlink()
        except BaseException:
            incoming.discard()
            raise
        return part

    def parts(self, key: str, multipart_id: str) -> list[Part]:
        self.find(key, multipart_id)
        return [file.part for file in self._latest(multipart_id).values()]

    def complete(self, key: str, multipart_id: str, parts: Sequence[Part]) -> ObjectInfo:
        """In constant memory; needs the space of the whole a second time, unless the file system can share it."""
        try:
            return self._assemble(key, multipart_id, parts)
        except MultipartNotFoundError:
            meta = self._files.meta(key)
            if meta is None or not _made_of(meta.etag, multipart_id):
                raise
            return meta.info()

    def abort(self, key: str, multipart_id: str) -> None:
        try:
            with self._open(key, multipart_id) as folder:
                _remove(folder)
        except MultipartNotFoundError:
            return

    def uploads(self, prefix: str) -> Iterator[OpenMultipart]:
        for entry in os.scandir(self.folder):
            if (record := _read(Path(entry.path))) and record.key.startswith(prefix):
                yield OpenMultipart(record.key, entry.name, datetime.fromisoformat(record.started_at))

    def sweep(self) -> None:
        """At the start: removes what a crash left of a start or an end, and keeps what is open."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for folder in self.folder.iterdir():
            record = _read(folder)
            meta = self._files.meta(record.key) if record else None
            if record is None or (meta and _made_of(meta.etag, folder.name)):
                _remove(folder)
                continue
            latest = self._latest(folder.name)
            for file in _files_in(folder):
                if file != latest[file.part.number]:
                    file.path.unlink()

    @contextmanager
    def _open(self, key: str, multipart_id: str) -> Iterator[Path]:
        """The upload's folder; as long as it is in use nobody else ends the upload or replaces a part."""
        with self._locks[crc32(multipart_id.encode()) % _LOCKS]:
            self.find(key, multipart_id)
            yield self.folder / multipart_id

    def _latest(self, multipart_id: str) -> dict[int, PartFile]:
        """By number, in ascending order. Of two files with one number (a crash in between) the newer one counts."""
        try:
            files = _files_in(self.folder / multipart_id)
        except FileNotFoundError as error:
            raise MultipartNotFoundError(multipart_id) from error
        return {file.part.number: file for file in files}

    def _assemble(self, key: str, multipart_id: str, parts: Sequence[Part]) -> ObjectInfo:
        record, found = self.find(key, multipart_id), self._latest(multipart_id)
        with self._files.create() as whole:
            for part in parts:
                file = found.get(part.number)
                if file is None or file.part.etag != part.etag:
                    raise InvalidPartsError(f"part {part.number} is not the one that lies there")
                try:
                    whole.append_file(file.path, file.crc32c)
                except FileNotFoundError as error:  # replaced, or the upload was ended
                    self.find(key, multipart_id)
                    raise InvalidPartsError(f"part {part.number} was replaced") from error
            whole.flush()  # takes long; what comes with the lock does not
            with self._open(key, multipart_id) as folder:
                etag = f"{multipart_id}-{len(parts)}"
                info = self._files.commit(whole, key, record.content_type, record.metadata, etag)
                _remove(folder)
        return info


def _made_of(etag: str, multipart_id: str) -> bool:
    return etag.partition("-")[0] == multipart_id


def _read(folder: Path) -> Record | None:
    try:
        return Record(**orjson.loads((folder / RECORD).read_bytes()))
    except (FileNotFoundError, NotADirectoryError):
        return None


def _name(part: Part, crc32c: int) -> str:
    return f"{part.number:05}-{crc32c:08x}-{part.etag}"


def _files_in(folder: Path) -> list[PartFile]:
    """By number, and the newest last."""
    found: list[tuple[int, int, PartFile]] = []
    for entry in os.scandir(folder):
        if entry.name.endswith(RECORD):
            continue
        number, crc32c, etag = entry.name.split("-")
        status = entry.stat()
        part = Part(int(number), status.st_size, etag)
        found.append((part.number, status.st_mtime_ns, PartFile(Path(entry.path), part, int(crc32c, 16))))
    return [file for _number, _time, file in sorted(found, key=lambda entry: entry[:2])]


def _remove(folder: Path) -> None:
    """From the first step on the upload is not open any more."""
    (folder / RECORD).unlink(missing_ok=True)
    sync_folder(folder)
    shutil.rmtree(folder)

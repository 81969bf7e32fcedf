"""The disk store's files: how an object lies on the disk. Blocking: for worker threads, of one process.

An object `a/b` is a folder `objects/a/b/` with `.data-<random>` (the bytes) and `.meta.json` (what is known about them, and
which data file counts). Renaming `.meta.json` into place is the commit point; a reader sees the object before or after it.

A `.meta` file in `tmp` is an intention: should the process die, `sweep` reads its key and removes the data files of that
folder that no committed `.meta.json` names. Everything else in `tmp` is rubbish.
"""

import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO
from uuid import uuid4
from zlib import crc32

import orjson

from libs.object_store.durable import sync_folder, write_durably
from libs.object_store.incoming import Incoming
from libs.object_store.port import ObjectChangedError, ObjectInfo, ObjectNotFoundError, StoreUnavailableError

META = ".meta.json"
_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_ATTEMPTS = 100


class InvalidKeyError(ValueError):
    """An object key is not made of `[A-Za-z0-9._-]` segments, or one of them starts with a dot."""

    code = "invalid_key"


@dataclass(frozen=True)
class Meta:
    """The content of `.meta.json`."""

    key: str
    data: str
    size_bytes: int
    etag: str
    crc32c: str
    modified_at: str
    content_type: str
    metadata: dict[str, str] = field(default_factory=dict)

    def info(self) -> ObjectInfo:
        at = datetime.fromisoformat(self.modified_at)
        return ObjectInfo(self.key, self.size_bytes, self.etag, at, self.content_type, self.metadata)


class DiskFiles:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.objects = root / "objects"
        self.tmp = root / "tmp"
        self._locks = [threading.Lock() for _ in range(64)]

    def create(self) -> Incoming:
        return Incoming(self.tmp / f"{uuid4().hex}.data")

    def commit(self, incoming: Incoming, key: str, content_type: str, metadata: Mapping[str, str]) -> ObjectInfo:
        """Makes `incoming` the object under `key`, durable before this returns."""
        folder = self.folder(key)
        try:
            incoming.finish()
            meta = new_meta(key, incoming.size_bytes, f"{incoming.crc32c:08x}", content_type, metadata)
            with self._lock(key):
                self._place(meta, folder, incoming.path.rename)
        except BaseException:
            incoming.discard()
            raise
        return meta.info()

    def adopt(self, path: Path, meta: Meta) -> ObjectInfo:
        """Makes a file that is durable the object `meta`; it keeps its own name, too."""
        with self._lock(meta.key):
            self._place(meta, self.folder(meta.key), partial(_link, path))
        return meta.info()

    def copy(self, source: str, target: str, match_etag: str, content_type: str | None) -> ObjectInfo:
        """A second name for the same bytes (a hard link, or a copy where the file system has none)."""
        folder = self.folder(target)
        for _ in range(_ATTEMPTS):
            old = self.meta(source)
            if old is None:
                raise ObjectNotFoundError(source)
            if old.etag != match_etag:
                raise ObjectChangedError(source)
            data = self.folder(source) / old.data
            meta = new_meta(target, old.size_bytes, old.crc32c, content_type or old.content_type, old.metadata)
            with suppress(_SourceGoneError), self._lock(target):
                self._place(meta, folder, partial(_link, data))
                return meta.info()
        raise ObjectChangedError(source)

    def delete(self, key: str) -> None:
        folder = self.folder(key)
        with self._lock(key):
            intention = self.tmp / f"{uuid4().hex}.meta"
            with suppress(FileNotFoundError, NotADirectoryError):
                (folder / META).rename(intention)
                sync_folder(folder)
                _remove_stale(folder)
            intention.unlink(missing_ok=True)
            self._remove_empty(folder)

    def meta(self, key: str) -> Meta | None:
        return _read_meta(self.folder(key) / META)

    def open(self, key: str, match_etag: str | None = None) -> tuple[Meta, BinaryIO]:
        """The object and its bytes, which stay readable when it is replaced meanwhile."""
        folder = self.folder(key)
        for _ in range(_ATTEMPTS):
            meta = _read_meta(folder / META)
            if meta is None:
                break
            if match_etag is not None and meta.etag != match_etag:
                raise ObjectChangedError(key)
            with suppress(FileNotFoundError):  # replaced between the two looks
                return meta, (folder / meta.data).open("rb", buffering=0)
        raise ObjectNotFoundError(key)

    def link(self, key: str, path: Path) -> None:
        """Makes `path` the object's bytes."""
        folder = self.folder(key)
        for _ in range(_ATTEMPTS):
            meta = _read_meta(folder / META)
            if meta is None:
                break
            path.unlink(missing_ok=True)
            with suppress(_SourceGoneError):
                return _link(folder / meta.data, path)
        raise ObjectNotFoundError(key)

    def walk(self, prefix: str, after: str) -> Iterator[ObjectInfo]:
        """Objects in key order; one folder's names at a time in memory."""
        head = prefix.rpartition("/")[0]
        yield from _walk(self.objects / head, f"{head}/" if head else "", prefix, after)

    def sweep(self) -> None:
        """At the start: removes what a crash left behind."""
        self.objects.mkdir(parents=True, exist_ok=True)
        self.tmp.mkdir(exist_ok=True)
        for path in sorted(self.tmp.iterdir()):
            if path.suffix == ".meta" and (meta := _read_meta(path)) is not None:
                folder = self.folder(meta.key)
                with suppress(FileNotFoundError):
                    _remove_stale(folder)
                self._remove_empty(folder)
            path.unlink()

    def folder(self, key: str) -> Path:
        if not _KEY.fullmatch(key) or len(key) > 1024:
            raise InvalidKeyError(key)
        return self.objects / key

    def _lock(self, key: str) -> threading.Lock:
        return self._locks[crc32(key.encode()) % len(self._locks)]

    def _place(self, meta: Meta, folder: Path, put_data: Callable[[Path], object]) -> None:
        """Intention, data, commit point; each durable before the next can matter."""
        intention = self.tmp / f"{uuid4().hex}.meta"
        write_durably(intention, orjson.dumps(asdict(meta)))
        try:
            for _ in range(_ATTEMPTS):
                # A neighbour's delete may remove the folders while they are still empty.
                with suppress(FileNotFoundError):
                    _make_folders(folder, self.objects)
                    put_data(folder / meta.data)
                    break
            else:
                raise StoreUnavailableError(f"the folder of {meta.key} is removed again and again")
            reminder = self._remind(meta) if (folder / META).exists() else None
            intention.rename(folder / META)
        except BaseException:
            (folder / meta.data).unlink(missing_ok=True)
            intention.unlink(missing_ok=True)
            raise
        sync_folder(folder)
        if reminder:
            _remove_stale(folder)
            reminder.unlink()

    def _remind(self, meta: Meta) -> Path:
        """For `sweep`: there are bytes to remove which this object replaces."""
        reminder = self.tmp / f"{uuid4().hex}.meta"
        reminder.write_bytes(orjson.dumps(asdict(meta)))
        return reminder

    def _remove_empty(self, folder: Path) -> None:
        """The folder and its parents as far as nothing is in them."""
        with suppress(OSError):
            while folder != self.objects:
                folder.rmdir()
                folder = folder.parent


class _SourceGoneError(Exception):
    """The data file to link was replaced or deleted meanwhile."""


def new_meta(
    key: str, size_bytes: int, crc32c: str, content_type: str, metadata: Mapping[str, str], *, etag: str | None = None
) -> Meta:
    """Of an object that comes now; `etag` None: one that nothing else has."""
    data, now = f".data-{token_hex(8)}", datetime.now(UTC).isoformat()
    # The dash keeps clients from taking the ETag for an MD5, as with S3's multipart objects.
    return Meta(key, data, size_bytes, etag or f"{token_hex(16)}-1", crc32c, now, content_type, dict(metadata))


def _read_meta(path: Path) -> Meta | None:
    """None where there is no object, or (a torn intention) nothing that can be read."""
    try:
        return Meta(**orjson.loads(path.read_bytes()))
    except (FileNotFoundError, NotADirectoryError, orjson.JSONDecodeError):
        return None


def _walk(folder: Path, key: str, prefix: str, after: str) -> Iterator[ObjectInfo]:
    """`key` is the folder's own, with a slash at its end. The order is that of whole keys: `a`, `a-b`, `a/c`."""
    try:
        names = [entry.name for entry in os.scandir(folder) if not entry.name.startswith(".")]
    except FileNotFoundError:
        return
    for found in sorted([key + name + end for name in names for end in ("", "/")]):
        if found[-1] != "/":
            if found > after and found.startswith(prefix) and (meta := _read_meta(folder / found[len(key) :] / META)):
                yield meta.info()
        elif (found.startswith(prefix) or prefix.startswith(found)) and (found > after or after.startswith(found)):
            yield from _walk(folder / found[len(key) : -1], found, prefix, after)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        if not source.exists():
            raise _SourceGoneError from None
        raise
    except OSError:
        with Incoming(target.with_name(f"{uuid4().hex}.data")) as copied:
            copied.copy_from(source)
            copied.finish()
            copied.path.rename(target)


def _remove_stale(folder: Path) -> None:
    meta = _read_meta(folder / META)
    for path in folder.glob(".data-*"):
        if meta is None or path.name != meta.data:
            path.unlink(missing_ok=True)


def _make_folders(folder: Path, top: Path) -> None:
    if folder == top:
        return
    try:
        folder.mkdir()
    except FileExistsError:
        return
    except FileNotFoundError:
        _make_folders(folder.parent, top)
        folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)

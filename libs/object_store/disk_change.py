"""What changes an object on the disk, as steps of the writer (`disk_writer`). The files are as `disk_files` says."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from libs.object_store.disk_files import ATTEMPTS, INTENTION, DiskFiles
from libs.object_store.disk_record import ObjectRecord, new_blob_name, new_record, read_record
from libs.object_store.disk_tree import Place
from libs.object_store.disk_writer import Change, Folders
from libs.object_store.durable import sync_file
from libs.object_store.incoming import Incoming, write_fully
from libs.object_store.port import ObjectChangedError, ObjectInfo, ObjectNotFoundError


def storing(
    files: DiskFiles, incoming: Incoming, key: str, content_type: str, metadata: Mapping[str, str] | None = None
) -> "Store":
    """The change that makes `incoming` an object. What lies in a file is made durable before: that takes its time."""
    blob = None if incoming.is_held else new_blob_name()
    if blob:
        incoming.finish()
    record = new_record(key, incoming.size_bytes, f"{incoming.crc32c:08x}", content_type, metadata or {}, blob=blob)
    return Store(files, record, incoming.held, incoming.path if blob else None)


def copying(files: DiskFiles, source: str, target: str, match_etag: str, content_type: str | None) -> "Store":
    """The change that makes the content of exactly this version an object of its own, without moving the bytes of a large one.

    Raises ObjectNotFoundError or ObjectChangedError.
    """
    for _ in range(ATTEMPTS):
        old, content = files.read(source, match_etag)
        blob = old.blob and new_blob_name()
        kind = content_type or old.content_type
        record = new_record(target, old.size_bytes, old.crc32c, kind, old.metadata, blob=blob)
        if old.blob is None:
            return Store(files, record, content)
        data = Path(files.temporary(".data"))
        with suppress(FileNotFoundError):  # replaced between the two looks
            files.link_file(files.blob(old.blob), str(data))
            return Store(files, record, data=data)
    raise ObjectChangedError(source)


class Store(Change[ObjectInfo]):
    """Makes `record` the object under its key. Its content is `content`, or the durable file `data` if it names a blob."""

    flushes = True

    def __init__(
        self, files: DiskFiles, record: ObjectRecord, content: bytes | bytearray = b"", data: Path | None = None
    ) -> None:
        self._files = files
        self._record = record
        self._place = files.tree.place(record.key)
        self._content = content
        self._data = data
        self._new = NewFile(files.temporary(INTENTION if data else ".new"))

    def prepare(self) -> None:
        self._new.write(self._content, self._record)

    def flush(self) -> None:
        self._new.flush()

    def apply(self, folders: Folders) -> ObjectInfo:
        key = self._record.key
        if self._data and self._record.blob:
            self._data.rename(self._files.blob(self._record.blob))
            folders.dirty.add(str(self._files.blobs))
        replaced = _replaced(self._files, key, read_record(self._place.path))
        self._files.tree.put(self._new.path, self._place, folders.dirty)
        folders.doomed += replaced
        return self._record.info(key)

    def discard(self) -> None:
        for path in (self._data, self._record.blob and Path(self._files.blob(self._record.blob))):
            if path:
                path.unlink(missing_ok=True)
        self._new.discard()


class Promote(Change[ObjectInfo]):
    """Moves exactly the version `match_etag`; that it is at its target already is fine, whatever lies at the source now.

    One renaming and one sync, unless the type changes: then the object's file is replaced by another one before.
    """

    def __init__(self, files: DiskFiles, source: str, target: str, match_etag: str, content_type: str | None) -> None:
        self._files = files
        self._keys = source, target
        self._source, self._target = files.tree.place(source), files.tree.place(target)
        self._match_etag = match_etag
        self._content_type = content_type

    def apply(self, folders: Folders) -> ObjectInfo:
        source, target = self._keys
        record, there = read_record(self._source.path), read_record(self._target.path)
        if record is None or record.etag != self._match_etag:
            if there and there.etag == self._match_etag:
                folders.dirty.add(self._target.folder)  # whoever did it may have died before it was durable
                return there.info(target)
            raise ObjectChangedError(source) if record else ObjectNotFoundError(source)
        if self._content_type not in (None, record.content_type):
            record = self._retyped(replace(record, content_type=self._content_type))
        replaced = _replaced(self._files, target, there)
        self._files.tree.put(self._source.path, self._target, folders.dirty)
        folders.doomed += replaced
        self._files.tree.tidy(self._source.folder, folders.dirty)
        return record.info(target)

    def _retyped(self, record: ObjectRecord) -> ObjectRecord:
        """Replaces the source's file in its place: at no moment do two objects have one blob."""
        _old, content = self._files.read(self._keys[0])
        new = NewFile(self._files.temporary(".new"))
        try:
            new.write(content, record)
            new.flush()
            os.rename(new.path, self._source.path)
        except BaseException:
            new.discard()
            raise
        return record


class Delete(Change[None]):
    """Whatever lies under these keys, one after the other."""

    def __init__(self, files: DiskFiles, keys: Sequence[str]) -> None:
        self._files = files
        self._keys = keys

    def apply(self, folders: Folders) -> None:
        for key in self._keys:
            with suppress(FileNotFoundError):
                self._remove(self._files.tree.place(key), folders)

    def _remove(self, place: Place, folders: Folders) -> None:
        path = self._files.temporary(INTENTION)
        self._files.tree.take(place, path, folders.dirty)
        record = read_record(path)
        if record and record.blob:
            folders.doomed.append(self._files.blob(record.blob))
        folders.doomed.append(path)


class NewFile:
    """An object's file before it has its place."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd = -1

    def write(self, content: bytes | bytearray, record: ObjectRecord) -> None:
        self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        write_fully(self._fd, memoryview(content + record.packed()))

    def flush(self) -> None:
        sync_file(self._fd)
        self.close()

    def discard(self) -> None:
        self.close()
        with suppress(FileNotFoundError):
            os.unlink(self.path)

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def _replaced(files: DiskFiles, key: str, old: ObjectRecord | None) -> list[str]:
    """What has to be removed once something else lies under `key`; a crash in between is provided for."""
    if old is None or old.blob is None:
        return []
    reminder = NewFile(files.temporary(INTENTION))
    reminder.write(b"", replace(old, key=key))
    reminder.close()
    return [files.blob(old.blob), reminder.path]

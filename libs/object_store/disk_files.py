"""The disk store's files: how an object lies on the disk. Blocking: for worker threads, of one process.

`tree/` has a file for each object, where `disk_tree` says, with what is known about it at its end (`disk_record`). The content
of a small object is in the same file; that of a large one is a file in `blobs/`, named by the record. Renaming the object's
file into its place is the commit point: a reader sees the object before or after it. So is renaming it from one key to another.

Names are changed by the writer's one thread (`disk_writer`), as the changes in `disk_change` say.

A `.record` file in `tmp` is an intention: should the process die, `sweep` reads it and removes its blob, unless the object
under its key has that one. Everything else in `tmp` is rubbish.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

from libs.object_store.disk_record import ObjectRecord, read_record, record_of
from libs.object_store.disk_tree import DiskTree, Place
from libs.object_store.disk_writer import DiskWriter
from libs.object_store.durable import sync_folder
from libs.object_store.incoming import Incoming
from libs.object_store.port import ObjectChangedError, ObjectInfo, ObjectNotFoundError

ATTEMPTS = 100
INTENTION = ".record"


class DiskFiles:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.blobs = root / "blobs"
        self.tmp = root / "tmp"
        self.tree = DiskTree(root / "tree")
        self._temporaries = count()
        self._prefix = f"{self.tmp}/{token_hex(8)}"
        self.writer = DiskWriter()

    def create(self) -> Incoming:
        return Incoming(Path(self.temporary(".data")))

    def temporary(self, suffix: str) -> str:
        """The path of a file that does not exist yet."""
        return f"{self._prefix}-{next(self._temporaries)}{suffix}"

    def blob(self, name: str) -> str:
        return f"{self.blobs}/{name}"

    def record(self, key: str) -> ObjectRecord | None:
        """None where no object lies under this key."""
        return read_record(self.tree.place(key).path)

    def stat(self, key: str) -> ObjectInfo | None:
        record = self.record(key)
        return record.info(key) if record else None

    def open(self, key: str, match_etag: str | None = None) -> tuple[ObjectRecord, BinaryIO]:
        """The object and a file that begins with its content, which stays readable when the object is replaced meanwhile.

        Raises ObjectNotFoundError or ObjectChangedError.
        """
        place = self.tree.place(key)
        for _ in range(ATTEMPTS):
            found = _open_object(place)
            if found is None:
                break
            record, file = found
            if match_etag is not None and record.etag != match_etag:
                file.close()
                raise ObjectChangedError(key)
            if record.blob is None:
                return record, file
            file.close()
            with suppress(FileNotFoundError):  # replaced between the two looks
                return record, Path(self.blob(record.blob)).open("rb", buffering=0)
        raise ObjectNotFoundError(key)

    def read(self, key: str, match_etag: str | None = None) -> tuple[ObjectRecord, bytes]:
        """The object and its content, which is empty where a blob has it. Raises as `open`."""
        record, file = self.open(key, match_etag)
        with file:
            return record, file.read(record.size_bytes) if record.blob is None else b""

    def link(self, key: str, path: Path) -> None:
        """Makes `path` the object's content: a copy of a small one, a link to a large one. Raises ObjectNotFoundError."""
        for _ in range(ATTEMPTS):
            record, content = self.read(key)
            path.unlink(missing_ok=True)
            if record.blob is None:
                path.write_bytes(content)
                return None
            with suppress(FileNotFoundError):
                return self.link_file(self.blob(record.blob), str(path))
        raise ObjectNotFoundError(key)

    def link_file(self, source: str, target: str) -> None:
        """A second name for the same bytes, or a durable copy of them where the file system has none."""
        try:
            os.link(source, target)
        except FileNotFoundError:
            raise
        except OSError:
            with Incoming(Path(f"{target}.part")) as copied:
                copied.copy_from(Path(source))
                copied.finish()
                copied.path.rename(target)

    def walk(self, prefix: str, after: str) -> Iterator[ObjectInfo]:
        """Objects in key order; one folder's names at a time in memory."""
        for key, path in self.tree.walk(prefix, after):
            if record := read_record(path):
                yield record.info(key)

    def sweep(self) -> None:
        """At the start: makes the folders, and removes what a crash left behind."""
        for folder in (Path(self.tree.root), self.blobs, self.tmp):
            folder.mkdir(parents=True, exist_ok=True)
        sync_folder(self.root)
        for path in sorted(self.tmp.iterdir()):
            record = read_record(path) if path.suffix == INTENTION else None
            if record and record.blob:
                committed = self.record(record.key)
                if committed is None or committed.blob != record.blob:
                    Path(self.blob(record.blob)).unlink(missing_ok=True)
            path.unlink()


def _open_object(place: Place) -> tuple[ObjectRecord, BinaryIO] | None:
    with ExitStack() as opened:
        try:
            file = opened.enter_context(Path(place.path).open("rb", buffering=0))
        except FileNotFoundError:
            return None
        record = record_of(file.fileno())
        if record is None:
            return None
        opened.pop_all()
        return record, file

"""The disk store's open multipart uploads. Blocking: for worker threads, of one process.

An upload is a folder `multipart/<id>/`; how its parts lie there is in `disk_parts`. It is open for as long as `upload.json` is
there: making that is the last step of its start, removing it the first of its end. Parts are durable before they are
acknowledged; what a crash left is removed by `sweep`.

A start makes nothing durable: the first part does, together with itself. What a loss of power before that part takes away is an
upload without bytes; its URLs then answer that there is no such upload, as after an abort.

The finished object's ETag is the upload's id and the number of parts, so that a completion which is asked for again, even
after a crash in the middle, finds out that it was done.
"""

import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from secrets import token_hex
from zlib import crc32

import orjson

from libs.object_store.disk_change import Store
from libs.object_store.disk_files import DiskFiles
from libs.object_store.disk_parts import (
    RECORD,
    LyingPart,
    PlacedIncoming,
    Record,
    crc32c_of,
    entries_of,
    entry_name,
    fill,
    fits,
    has_parts,
    new_whole,
    parts_in,
    read_record,
    remove_upload,
    whole_in,
)
from libs.object_store.disk_record import new_blob_name, new_record
from libs.object_store.durable import sync_file, sync_folder
from libs.object_store.incoming import Incoming
from libs.object_store.port import (
    MIN_PART_BYTES,
    InvalidPartsError,
    MultipartNotFoundError,
    ObjectInfo,
    OpenMultipart,
    Part,
)

_ID = re.compile(r"[0-9a-f]{32}")
_LOCKS = 64


class DiskMultipart:
    def __init__(self, root: Path, files: DiskFiles) -> None:
        self.folder = root / "multipart"
        self._files = files
        self._locks = [threading.Lock() for _ in range(_LOCKS)]
        self._placing: dict[str, set[int]] = {}
        """Upload → the parts that are being written into their place."""
        self._closing: set[str] = set()
        """Uploads into whose whole no part may be written any more, since it is becoming the object."""

    def start(self, key: str, content_type: str, metadata: Mapping[str, str]) -> str:
        self._files.tree.place(key)
        multipart_id = token_hex(16)
        folder = self.folder / multipart_id
        folder.mkdir()
        record = Record(key, datetime.now(UTC).isoformat(), content_type, dict(metadata))
        file = os.open(folder / RECORD, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)  # half the work of a file object
        try:
            os.write(file, orjson.dumps(record))
        finally:
            os.close(file)
        return multipart_id

    def find(self, key: str, multipart_id: str) -> Record:
        """Raises MultipartNotFoundError unless it is open, and for this key."""
        record = read_record(self.folder / multipart_id) if _ID.fullmatch(multipart_id) else None
        if record is None or record.key != key:
            raise MultipartNotFoundError(multipart_id)
        return record

    def create(self, key: str, multipart_id: str, number: int, size_bytes: int | None) -> Incoming:
        """For a part of that size (None: not known); in its place where that is known and nobody has been there before.

        What was acknowledged is never written over, so that a part which comes again and is cut off leaves the first one.
        """
        with self._open(key, multipart_id) as folder:
            whole = whole_in(folder)
            if whole is None and size_bytes is not None and size_bytes >= MIN_PART_BYTES:
                whole = new_whole(folder, size_bytes)
            if whole is None or size_bytes is None or size_bytes > whole.part_bytes:
                return self._files.create()
            taken = number in self._placing.get(multipart_id, ()) or entries_of(folder, number)
            if taken or multipart_id in self._closing:
                return self._files.create()
            placed = PlacedIncoming(whole, number, partial(self._leave, multipart_id, number))
            self._placing.setdefault(multipart_id, set()).add(number)
            return placed

    def commit(self, incoming: Incoming, key: str, multipart_id: str, number: int) -> Part:
        """Makes `incoming` a part, durable before this returns, instead of what had its number."""
        with incoming:
            incoming.finish()
            part = Part(number, incoming.size_bytes, token_hex(16))
            with self._open(key, multipart_id) as folder:
                self._make_durable(folder)
                replaced = entries_of(folder, number)
                placed = isinstance(incoming, PlacedIncoming)
                entry = folder / entry_name(part, incoming.crc32c, placed=placed)
                if placed:
                    entry.touch(exist_ok=False)
                else:
                    incoming.path.rename(entry)
                sync_folder(folder)
                for path in replaced:
                    path.unlink()
        return part

    def _make_durable(self, folder: Path) -> None:
        """The upload itself, before its first part counts: where there is a part, this was done."""
        if not has_parts(folder):
            with (folder / RECORD).open("rb", buffering=0) as record:
                sync_file(record.fileno())
            sync_folder(self.folder)

    def parts(self, key: str, multipart_id: str) -> list[Part]:
        self.find(key, multipart_id)
        return [lying.part for lying in self._latest(multipart_id).values()]

    def complete(self, key: str, multipart_id: str, parts: Sequence[Part]) -> ObjectInfo:
        """In constant memory, and without copying what lies in its place."""
        try:
            return self._complete(key, multipart_id, parts)
        except MultipartNotFoundError:
            found = self._files.stat(key)
            if found is None or found.etag != _etag(multipart_id, parts):
                raise
            return found

    def abort(self, key: str, multipart_id: str) -> None:
        try:
            with self._open(key, multipart_id) as folder:
                remove_upload(folder)
        except MultipartNotFoundError:
            return

    def uploads(self, prefix: str) -> Iterator[OpenMultipart]:
        for entry in os.scandir(self.folder):
            if (record := read_record(Path(entry.path))) and record.key.startswith(prefix):
                yield OpenMultipart(record.key, entry.name, datetime.fromisoformat(record.started_at))

    def sweep(self) -> None:
        """At the start: removes what a crash left of a start or an end, and keeps what is open."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for folder in self.folder.iterdir():
            record = read_record(folder)
            found = self._files.stat(record.key) if record else None
            if record is None or (found and found.etag.partition("-")[0] == folder.name):
                remove_upload(folder)
                continue
            latest = self._latest(folder.name)
            for lying in parts_in(folder):
                if lying != latest[lying.part.number]:
                    lying.entry.unlink()

    def _complete(self, key: str, multipart_id: str, parts: Sequence[Part]) -> ObjectInfo:
        record = self.find(key, multipart_id)
        with self._closed(multipart_id) as quiet:
            found = self._latest(multipart_id)
            chosen = [_chosen(found, part) for part in parts]
            whole = new_record(
                key,
                sum(part.size_bytes for part in parts),
                f"{crc32c_of(chosen):08x}",
                record.content_type,
                record.metadata,
                etag=_etag(multipart_id, parts),
                blob=new_blob_name(),
            )
            with (
                self._made_whole(key, multipart_id, chosen, found.values(), quiet) as path,
                self._open(key, multipart_id) as folder,
            ):
                data = self._files.temporary(".data")
                self._files.link_file(str(path), data)
                info = self._files.writer.submit(Store(self._files, whole, data=Path(data))).result()
                remove_upload(folder)
        return info

    @contextmanager
    def _made_whole(
        self, key: str, multipart_id: str, chosen: Sequence[LyingPart], found: Iterable[LyingPart], quiet: bool
    ) -> Iterator[Path]:
        """A file with the bytes of `chosen`, durable. This takes long, so nothing is locked meanwhile."""
        whole = whole_in(self.folder / multipart_id)
        try:
            if quiet and whole and fits(whole, chosen, found):
                fill(whole, chosen)
                yield whole.path
                return
            with self._files.create() as copied:
                for lying in chosen:
                    lying.copy_to(copied.fileno())
                copied.finish()
                yield copied.path
        except FileNotFoundError as error:  # a part was replaced, or the upload was ended
            self.find(key, multipart_id)
            raise InvalidPartsError("a part was replaced at the same time") from error

    @contextmanager
    def _closed(self, multipart_id: str) -> Iterator[bool]:
        """No part begins to be written into its place. Whether none is under way."""
        with self._lock(multipart_id):
            quiet = not self._placing.get(multipart_id)
            self._closing.add(multipart_id)
        try:
            yield quiet
        finally:
            with self._lock(multipart_id):
                self._closing.discard(multipart_id)

    def _leave(self, multipart_id: str, number: int) -> None:
        with self._lock(multipart_id):
            placing = self._placing[multipart_id]
            placing.remove(number)
            if not placing:
                del self._placing[multipart_id]

    @contextmanager
    def _open(self, key: str, multipart_id: str) -> Iterator[Path]:
        """The upload's folder; as long as it is in use nobody else ends the upload or replaces a part."""
        with self._lock(multipart_id):
            self.find(key, multipart_id)
            yield self.folder / multipart_id

    def _lock(self, multipart_id: str) -> threading.Lock:
        return self._locks[crc32(multipart_id.encode()) % _LOCKS]

    def _latest(self, multipart_id: str) -> dict[int, LyingPart]:
        """By number, in ascending order."""
        try:
            return {lying.part.number: lying for lying in parts_in(self.folder / multipart_id)}
        except FileNotFoundError as error:
            raise MultipartNotFoundError(multipart_id) from error


def _chosen(found: Mapping[int, LyingPart], part: Part) -> LyingPart:
    lying = found.get(part.number)
    if lying is None or lying.part != part:
        raise InvalidPartsError(f"part {part.number} is not the one that lies there")
    return lying


def _etag(multipart_id: str, parts: Sequence[Part]) -> str:
    return f"{multipart_id}-{len(parts)}"

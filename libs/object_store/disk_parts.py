"""How the parts of an open multipart upload lie in its folder. Blocking: for worker threads.

`upload.json` says what the upload is for. Nearly all clients cut a file into parts of one size, so the first large part tells
where the others belong: `whole-<part size>` is a sparse file into which they are written in place, and which becomes the
object without another copy. What does not fit there lies in a file of its own, and is put into its place at the end.

Each part that came in whole has an entry: `<number>-<crc32c>-<etag>` with its bytes, or `<number>-<crc32c>-<etag>-<size>`,
empty, for one in its place.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path

import orjson

from libs.object_store.crc32c import combined
from libs.object_store.durable import sync_file, sync_folder
from libs.object_store.incoming import Incoming, copy_bytes
from libs.object_store.port import Part

RECORD = "upload.json"
_WHOLE = "whole-"


@dataclass(frozen=True)
class Record:
    """The content of `upload.json`."""

    key: str
    started_at: str
    content_type: str
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Whole:
    """The file into which parts of `part_bytes` are written in place; they are numbered from 1."""

    path: Path
    part_bytes: int

    def offset(self, number: int) -> int:
        return (number - 1) * self.part_bytes


@dataclass(frozen=True)
class LyingPart:
    """A part that came in whole, and where it lies."""

    part: Part
    crc32c: int
    entry: Path
    whole: Whole | None
    """Where it is in its place; None: `entry` has its bytes."""

    def copy_to(self, fd: int) -> None:
        path, offset = (self.whole.path, self.whole.offset(self.part.number)) if self.whole else (self.entry, 0)
        copy_bytes(path, offset, self.part.size_bytes, fd)


class PlacedIncoming(Incoming):
    """A part on its way into its place; `release` is called once, when it is over one way or the other."""

    NEW = 0

    def __init__(self, whole: Whole, number: int, release: Callable[[], None]) -> None:
        super().__init__(whole.path)
        self._begin_file()
        os.lseek(self._fd, whole.offset(number), os.SEEK_SET)
        self._release: Callable[[], None] | None = release

    def discard(self) -> None:
        self.close()
        if self._release:
            release, self._release = self._release, None
            release()


def read_record(folder: Path) -> Record | None:
    """None where nothing is open, or the disk lost what says so before any part came."""
    try:
        return Record(**orjson.loads((folder / RECORD).read_bytes()))
    except (FileNotFoundError, NotADirectoryError, orjson.JSONDecodeError):
        return None


def remove_upload(folder: Path) -> None:
    """From the first step on it is not open any more."""
    (folder / RECORD).unlink(missing_ok=True)
    sync_folder(folder)
    shutil.rmtree(folder)


def has_parts(folder: Path) -> bool:
    return any(path.name[0].isdigit() for path in folder.iterdir())


def whole_in(folder: Path) -> Whole | None:
    return next((_whole(path) for path in folder.glob(f"{_WHOLE}*")), None)


def new_whole(folder: Path, part_bytes: int) -> Whole:
    return Whole(folder / f"{_WHOLE}{part_bytes}", part_bytes)


def entries_of(folder: Path, number: int) -> list[Path]:
    return list(folder.glob(f"{number:05}-*"))


def entry_name(part: Part, crc32c: int, *, placed: bool) -> str:
    name = f"{part.number:05}-{crc32c:08x}-{part.etag}"
    return f"{name}-{part.size_bytes}" if placed else name


def parts_in(folder: Path) -> list[LyingPart]:
    """By number; of two with one number (a crash in between) the newer one comes last."""
    found: list[tuple[int, int, LyingPart]] = []
    whole = whole_in(folder)
    for entry in os.scandir(folder):
        if not entry.name[0].isdigit():
            continue
        number, crc32c, etag, *size = entry.name.split("-")
        status = entry.stat()
        part = Part(int(number), int(size[0]) if size else status.st_size, etag)
        lying = LyingPart(part, int(crc32c, 16), Path(entry.path), whole if size else None)
        found.append((part.number, status.st_mtime_ns, lying))
    return [lying for _number, _time, lying in sorted(found, key=lambda each: each[:2])]


def fits(whole: Whole, chosen: Sequence[LyingPart], found: Iterable[LyingPart]) -> bool:
    """Whether `whole` can become what `chosen` make, without losing others that were found should that fail."""
    sizes = [lying.part.size_bytes for lying in chosen]
    gapless = [lying.part.number for lying in chosen] == list(range(1, len(chosen) + 1))
    equal = all(size == whole.part_bytes for size in sizes[:-1]) and sizes[-1] <= whole.part_bytes
    return gapless and equal and not any(lying.whole and lying.part.number > len(chosen) for lying in found)


def fill(whole: Whole, chosen: Sequence[LyingPart]) -> None:
    """Puts into their places those that are not there yet, and makes the whole durable in its right length."""
    fd = os.open(whole.path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        for lying in chosen:
            if lying.whole is None:
                os.lseek(fd, whole.offset(lying.part.number), os.SEEK_SET)
                lying.copy_to(fd)
        os.ftruncate(fd, sum(lying.part.size_bytes for lying in chosen))
        sync_file(fd)
    finally:
        os.close(fd)


def crc32c_of(chosen: Sequence[LyingPart]) -> int:
    return reduce(lambda crc, lying: combined(crc, lying.crc32c, lying.part.size_bytes), chosen, 0)


def _whole(path: Path) -> Whole:
    return Whole(path, int(path.name.removeprefix(_WHOLE)))

"""A watched directory of this machine, or one that is mounted here; several replicas may see the same one.

A file is found by size and time of its last write, which survive its renaming: `<name>` → `<name>.lock` when its bytes are
read, then nowhere, to `.done/`, or back. Whoever begins again after an interruption looks which of the names are there.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Final, Literal, TypeVar

from libs.runtime.own_thread import OwnThread
from services.ingest.adapters.inside import move, open_file, opened_below, opened_root, place_draft, status, write_draft
from services.ingest.adapters.place import MAX_SIGHTINGS, PlaceUnavailableError, Survey
from services.ingest.domain.error import FetchError
from services.ingest.domain.watch import (
    DONE,
    ERROR,
    LOCK,
    MAX_DEPTH,
    Sighting,
    WatchedFile,
    beside,
    is_candidate,
    is_storable,
    other_name,
)

CHUNK_BYTES: Final = 2**20
CALL_SECONDS: Final = 300.0
"""For one answer of a mount that may be anywhere."""

T = TypeVar("T")


class Directory:
    def __init__(self, root: Path, path: str) -> None:
        """`path` lies below `root`, the root of all watch folders."""
        self._root = root
        self._segments = path.split("/")

    # ------------------------------------------------------------ the port

    async def survey(self) -> Survey:
        return await self._try(self._survey)

    @asynccontextmanager
    async def open(self, file: WatchedFile) -> AsyncIterator[AsyncIterator[bytes]]:
        reading = _Reading(OwnThread("watch"))
        try:
            await reading.open(lambda: self._take(file))
            yield reading.chunks(file)
        finally:
            reading.end()

    async def accept(self, file: WatchedFile, on_success: Literal["delete", "move"]) -> None:
        await self._try(lambda: self._accept(file, on_success))

    async def refuse(self, file: WatchedFile, reason: str) -> None:
        await self._try(lambda: self._refuse(file, reason))

    async def _try(self, work: Callable[[], T]) -> T:
        thread = OwnThread("watch")  # a mount that hangs holds up nobody else
        try:
            async with asyncio.timeout(CALL_SECONDS):
                return await thread.run(work)
        except TimeoutError:
            raise PlaceUnavailableError("it does not answer") from None
        except OSError as error:
            raise PlaceUnavailableError(os.strerror(error.errno or 0)) from error
        finally:
            thread.end()

    # ------------------------------------------------------------ in a thread

    def _survey(self) -> Survey:
        files: list[Sighting] = []
        directories = {self._root.joinpath(*self._segments)}
        with opened_root(self._root, self._segments) as folder:
            for below, found in _walk(folder, ()):
                if isinstance(found, Sighting):
                    files.append(found)
                else:
                    directories.add(self._root.joinpath(*self._segments, *below))
                if len(files) == MAX_SIGHTINGS:
                    break
        return Survey(files, frozenset(directories))

    def _take(self, file: WatchedFile) -> int:
        """Open under its `.lock` name."""
        with self._parent(file) as folder:
            lock = beside(file.name, LOCK)
            if not _is(file, folder, lock):
                if status(folder, file.name) is None:
                    raise FetchError("fetch_client_error", "the file is gone", may_pass=True)
                if not _is(file, folder, file.name):
                    raise FetchError("fetch_client_error", "the file was changed")
                if not move(folder, file.name, folder, lock):
                    raise FetchError("fetch_client_error", f"another file is called {lock}")
            elif _is(file, folder, file.name):
                move(folder, file.name, folder, lock)  # an earlier worker did not live to end this
            return open_file(folder, lock)

    def _accept(self, file: WatchedFile, on_success: Literal["delete", "move"]) -> None:
        with self._parent(file, missing_is_fine=True) as folder:
            lock = beside(file.name, LOCK)
            if folder < 0 or status(folder, lock) is None:
                return
            if not _is(file, folder, lock):
                _give_back(file, folder, lock)  # somebody went on writing: it will be found again
            elif on_success == "delete":
                os.unlink(lock, dir_fd=folder)
            else:
                self._move_to_done(file, folder, lock)

    def _move_to_done(self, file: WatchedFile, folder: int, lock: str) -> None:
        *folders, name = file.path.split("/")
        with opened_root(self._root, [*self._segments, DONE, *folders]) as done:
            if not move(folder, lock, done, name) and not move(folder, lock, done, other_name(file)):
                raise FileExistsError(17, "the name is taken")

    def _refuse(self, file: WatchedFile, reason: str) -> None:
        with self._parent(file, missing_is_fine=True) as folder:
            if folder < 0:
                return
            lock = beside(file.name, LOCK)
            # Before the file has a name again: without its reason beside it, it would be found once more.
            draft = write_draft(folder, file.name, f"{reason}\n")
            if status(folder, lock) is not None:
                _give_back(file, folder, lock)
            for name in (file.name, other_name(file)):
                if _is(file, folder, name):  # only now: what is written after this has changed since
                    place_draft(folder, draft, beside(name, ERROR))
                    return
            os.unlink(draft, dir_fd=folder)

    @contextmanager
    def _parent(self, file: WatchedFile, *, missing_is_fine: bool = False) -> Iterator[int]:
        """The folder in which it lies; -1 where there is no such folder and that is fine."""
        folders = file.path.split("/")[:-1]
        with opened_root(self._root, self._segments) as top:
            if missing_is_fine and not _has(top, folders):
                yield -1
                return
            with opened_below(top, folders) as folder:
                yield folder


class _Reading:
    """One file, open in a thread: closed after the last call, however late that ends."""

    def __init__(self, thread: OwnThread) -> None:
        self._thread = thread
        self._descriptor = -1

    async def open(self, take: Callable[[], int]) -> None:
        def opened() -> None:
            self._descriptor = take()

        await self._run(opened)

    async def chunks(self, file: WatchedFile) -> AsyncIterator[bytes]:
        while chunk := await self._run(os.read, self._descriptor, CHUNK_BYTES):
            yield chunk
        if not _is_unchanged(file, await self._run(os.fstat, self._descriptor)):
            raise FetchError("fetch_client_error", "the file was changed while it was read")

    async def _run(self, work: Callable[..., T], *args: int) -> T:
        try:
            async with asyncio.timeout(CALL_SECONDS):
                return await self._thread.run(work, *args)
        except OSError:
            raise FetchError("fetch_network_error", "the watch folder cannot be read", may_pass=True) from None

    def end(self) -> None:
        self._thread.end(self._close)

    def _close(self) -> None:
        if self._descriptor >= 0:
            with suppress(OSError):
                os.close(self._descriptor)


def _walk(folder: int, above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Sighting | None]]:
    """Each candidate, and with None each folder below."""
    below = []
    with os.scandir(folder) as entries:
        for entry in entries:
            path = "/".join((*above, entry.name))
            if entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith(".") and len(above) < MAX_DEPTH and is_storable(path):
                    below.append(entry.name)
            elif is_candidate(path) and (found := _sighting(folder, entry.name, path)) is not None:
                yield above, found
    for name in sorted(below):
        yield (*above, name), None
        try:
            with opened_below(folder, [name]) as descriptor:
                yield from _walk(descriptor, (*above, name))
        except OSError:
            continue  # gone meanwhile, or not for us: the others are


def _sighting(folder: int, name: str, path: str) -> Sighting | None:
    """None for what is no file, and for a file that was refused and has not changed since."""
    found = status(folder, name)
    if found is None:
        return None
    error = status(folder, beside(name, ERROR))
    if error is not None and error.st_mtime_ns >= found.st_ctime_ns:
        return None
    changed_at = max(found.st_ctime_ns, found.st_mtime_ns) / 1e9
    return Sighting(path, found.st_size, str(found.st_mtime_ns), changed_at)


def _is(file: WatchedFile, folder: int, name: str) -> bool:
    found = status(folder, name)
    return found is not None and _is_unchanged(file, found)


def _is_unchanged(file: WatchedFile, found: os.stat_result) -> bool:
    return (found.st_size, str(found.st_mtime_ns)) == (file.size_bytes, file.version)


def _give_back(file: WatchedFile, folder: int, lock: str) -> None:
    """Its own name, or where that was given to another file meanwhile one that is like it."""
    if not move(folder, lock, folder, file.name) and not move(folder, lock, folder, other_name(file)):
        raise FileExistsError(17, "the name is taken")


def _has(top: int, folders: list[str]) -> bool:
    try:
        with opened_below(top, folders):
            return True
    except (FileNotFoundError, NotADirectoryError):
        return False

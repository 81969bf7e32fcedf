"""A watched directory of this machine, or one that is mounted here; several replicas may see the same one.

A file is found by size and time of its last write, which survive its renaming: `<name>` → `<name>.lock` when its bytes are
read, then nowhere, to `.done/`, or back. Whoever begins again after an interruption looks which of the names are there.

Only what nobody has open for writing is deleted at once. Where nobody can know that, the file is set aside in `.done/`: what a
program still writes to it arrives there, and brings the whole file back.
"""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Final, Literal, TypeVar

from libs.runtime.own_thread import OwnThread
from services.ingest.adapters.directory_scan import scan
from services.ingest.adapters.inside import (
    are_one,
    move,
    open_file,
    opened_below,
    opened_root,
    place_draft,
    status,
    write_draft,
)
from services.ingest.adapters.note import check_note_name, remove_note
from services.ingest.adapters.place import PlaceUnavailableError, Survey
from services.ingest.adapters.writers import Writers, hold_off_writers, writers_of
from services.ingest.domain.error import FetchError, SourceBusyError
from services.ingest.domain.ignored_name import IgnoredNames
from services.ingest.domain.watch import (
    DONE,
    ERROR,
    LOCK,
    Sighting,
    WatchedFile,
    beside,
    draft_of,
    error_note,
    other_name,
)

CHUNK_BYTES: Final = 2**20
CALL_SECONDS: Final = 300.0
"""For one answer of a mount that may be anywhere."""
OPEN_ELSEWHERE: Final = "a program has the file open for writing"

T = TypeVar("T")


class Directory:
    def __init__(self, root: Path, path: str, ignored: IgnoredNames) -> None:
        """`path` lies below `root`, the root of all watch folders."""
        self._root = root
        self._ignored = ignored
        self._segments = path.split("/")

    # ------------------------------------------------------------ the port

    async def survey(self) -> Survey:
        return await self._try(lambda: scan(self._root, self._segments, self._ignored))

    async def select_closed(self, files: Sequence[Sighting], limit: int) -> Sequence[Sighting]:
        return await self._try(lambda: self._select_closed(files, limit))

    @asynccontextmanager
    async def open(self, file: WatchedFile) -> AsyncIterator[AsyncIterator[bytes]]:
        reading = _Reading(OwnThread("watch"))
        try:
            await reading.open(lambda: self._take(file))
            yield reading.chunks(file)
        finally:
            reading.end()

    async def accept(self, file: WatchedFile, on_success: Literal["delete", "move"]) -> str | None:
        return await self._try(lambda: self._accept(file, on_success))

    async def recheck(self, file: WatchedFile, aside_path: str, *, remove: bool) -> bool:
        return await self._try(lambda: self._recheck(file, aside_path, remove))

    async def refuse(self, file: WatchedFile, reason: str) -> None:
        await self._try(lambda: self._refuse(file, reason))

    async def remove_orphaned_note(self, path: str) -> None:
        await self._try(lambda: self._remove_orphaned_note(path))

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

    def _select_closed(self, files: Sequence[Sighting], limit: int) -> Sequence[Sighting]:
        closed: list[Sighting] = []
        for file in files:
            if len(closed) == limit:
                break
            if self._writers_of(file) is not Writers.SOME:
                closed.append(file)
        return closed

    def _writers_of(self, file: Sighting) -> Writers:
        try:
            with self._parent(file.path) as folder, _opened(folder, file.name) as descriptor:
                return writers_of(descriptor)
        except BlockingIOError:  # a file server has it, for one of its clients
            return Writers.SOME
        except OSError:  # whoever fetches it will say what is wrong
            return Writers.UNKNOWN

    def _take(self, file: WatchedFile) -> int:
        """Open under its `.lock` name."""
        with self._parent(file.path) as folder, ExitStack() as failed:
            lock = beside(file.name, LOCK)
            name = lock if _is(file, folder, lock) else file.name
            if not _is(file, folder, name):
                if status(folder, name) is None and status(folder, lock) is None:
                    raise FetchError("fetch_client_error", "the file is gone", may_pass=True)
                raise FetchError("fetch_client_error", "the file was changed")
            descriptor = open_file(folder, name)
            failed.callback(os.close, descriptor)
            if writers_of(descriptor) is Writers.SOME:
                raise SourceBusyError(OPEN_ELSEWHERE)
            # It has both names where an earlier worker did not live to end this.
            if _is(file, folder, file.name) and not move(folder, file.name, folder, lock) and name != lock:
                raise FetchError("fetch_client_error", f"another file is called {lock}")
            failed.pop_all()
            return descriptor

    def _accept(self, file: WatchedFile, on_success: Literal["delete", "move"]) -> str | None:
        with self._parent(file.path, missing_is_fine=True) as folder:
            if folder < 0:
                return None
            lock = beside(file.name, LOCK)
            is_here = status(folder, lock) is not None
            aside = self._dispose(file, folder, lock, on_success) if is_here else self._find_aside(file)
            remove_note(folder, file.name)
            return aside

    def _dispose(self, file: WatchedFile, folder: int, lock: str, on_success: Literal["delete", "move"]) -> str | None:
        """Deletes nothing that somebody may still write to."""
        with _opened(folder, lock) as descriptor, hold_off_writers(descriptor) as writers:
            is_unchanged = _is_unchanged(file, os.fstat(descriptor))
            if is_unchanged and writers is Writers.NONE and on_success == "delete":
                os.unlink(lock, dir_fd=folder)
                return None
        if not is_unchanged:
            _give_back(file, folder, lock, folder)  # it will be found again
            return None
        if writers is Writers.SOME:
            raise PlaceUnavailableError(OPEN_ELSEWHERE)
        path = self._move_to_done(file, folder, lock)
        return path if writers is Writers.UNKNOWN else None

    def _move_to_done(self, file: WatchedFile, folder: int, lock: str) -> str:
        *folders, name = file.path.split("/")
        with opened_root(self._root, [*self._segments, DONE, *folders]) as done:
            for target in (name, other_name(file)):
                if move(folder, lock, done, target):
                    return "/".join((DONE, *folders, target))
        raise FileExistsError(errno.EEXIST, "the name is taken")

    def _find_aside(self, file: WatchedFile) -> str | None:
        """Where an earlier worker set it aside that did not live to say so."""
        above = file.path.rpartition("/")[0]
        for name in (other_name(file), file.name):
            path = "/".join(part for part in (DONE, above, name) if part)
            with self._parent(path, missing_is_fine=True) as done:
                if done >= 0 and _is(file, done, name):
                    with _opened(done, name) as descriptor:
                        return path if writers_of(descriptor) is Writers.UNKNOWN else None
        return None

    def _recheck(self, file: WatchedFile, aside_path: str, remove: bool) -> bool:
        name = aside_path.rpartition("/")[2]
        with self._parent(aside_path, missing_is_fine=True) as done:
            found = status(done, name) if done >= 0 else None
            if found is None:
                return True
            if not _is_unchanged(file, found):
                with opened_root(self._root, [*self._segments, *file.path.split("/")[:-1]]) as folder:
                    if _has_name(file, done, name, folder):
                        os.unlink(name, dir_fd=done)
                    else:
                        _give_back(file, done, name, folder)
                return True
            if remove:
                os.unlink(name, dir_fd=done)
            return remove

    def _remove_orphaned_note(self, path: str) -> None:
        name = path.rpartition("/")[2]
        with self._parent(path, missing_is_fine=True) as folder:
            # One of the first two is there while the file is renamed, and while it is renamed back one of the last two.
            if folder >= 0 and all(status(folder, other) is None for other in (name, beside(name, LOCK), name)):
                remove_note(folder, name)

    def _refuse(self, file: WatchedFile, reason: str) -> None:
        with self._parent(file.path, missing_is_fine=True) as folder:
            if folder < 0:
                return
            lock = beside(file.name, LOCK)
            # Before the file has a name again: without its reason beside it, it would be found once more.
            draft = draft_of(file.name)
            write_draft(folder, draft, error_note(reason))
            if status(folder, lock) is not None:
                _give_back(file, folder, lock, folder)
            for name in (file.name, other_name(file)):
                if _is(file, folder, name):  # only now: what is written after this has changed since
                    check_note_name(folder, name)
                    place_draft(folder, draft, beside(name, ERROR))
                    return
            os.unlink(draft, dir_fd=folder)

    @contextmanager
    def _parent(self, path: str, *, missing_is_fine: bool = False) -> Iterator[int]:
        """The folder in which the file lies; -1 where there is no such folder and that is fine."""
        folders = path.split("/")[:-1]
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
        except BlockingIOError:  # a file server has it, for one of its clients
            raise SourceBusyError(OPEN_ELSEWHERE) from None
        except OSError:
            raise FetchError("fetch_network_error", "the watch folder cannot be read", may_pass=True) from None

    def end(self) -> None:
        self._thread.end(self._close)

    def _close(self) -> None:
        if self._descriptor >= 0:
            with suppress(OSError):
                os.close(self._descriptor)


@contextmanager
def _opened(folder: int, name: str) -> Iterator[int]:
    descriptor = open_file(folder, name)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _is(file: WatchedFile, folder: int, name: str) -> bool:
    found = status(folder, name)
    return found is not None and _is_unchanged(file, found)


def _is_unchanged(file: WatchedFile, found: os.stat_result) -> bool:
    return (found.st_size, str(found.st_mtime_ns)) == (file.size_bytes, file.version)


def _has_name(file: WatchedFile, done: int, name: str, folder: int) -> bool:
    """The file in `done` has a name in its folder, too: a worker gave it back and did not live to take this name away."""
    names = (file.name, other_name(file))
    return any(are_one(done, name, folder, other) for one in names for other in (one, beside(one, LOCK)))


def _give_back(file: WatchedFile, folder: int, name: str, target_folder: int) -> None:
    """Its own name, or where that was given to another file meanwhile one that is like it."""
    if not move(folder, name, target_folder, file.name) and not move(folder, name, target_folder, other_name(file)):
        raise FileExistsError(errno.EEXIST, "the name is taken")


def _has(top: int, folders: list[str]) -> bool:
    try:
        with opened_below(top, folders):
            return True
    except (FileNotFoundError, NotADirectoryError):
        return False

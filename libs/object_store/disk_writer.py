"""Changes of the disk store's names: one thread makes all of them, and those that wait for it together.

All files of a group are written before the first of them is synced, and each folder is synced once for the whole group: under
load a durable write is shared by many.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from libs.object_store.durable import sync_folder
from libs.object_store.group_worker import GroupWorker

T = TypeVar("T")

GROUP = 64
"""At most so many changes together: each has a file open until it is durable."""
FLUSHES = 8
"""Files that are made durable at the same time: a disk does more of that than one thread can ask for."""


class Folders:
    """What a group of changes leaves to do at its end."""

    def __init__(self) -> None:
        self.dirty: set[str] = set()
        """Whose names have changed."""
        self.doomed: list[str] = []
        """Files to remove once the names are durable."""


class Change(Generic[T]):
    """Made in three steps; an error in one of them ends it, and `discard` is called."""

    flushes: ClassVar[bool] = False
    """Whether there is anything to flush."""

    def prepare(self) -> None:
        """Writes what nobody sees yet."""

    def flush(self) -> None:
        """Makes durable what `prepare` wrote. Called in any thread, but not at the same time as anything else of it."""

    def apply(self, folders: Folders) -> T:
        """Gives it its name. What was changed is durable, and reported as done, when `folders` are synced."""
        raise NotImplementedError

    def discard(self) -> None:
        """Removes what `prepare` wrote."""


class _Job:
    """A change on its way: its result, or the error that ended it, once it is made."""

    def __init__(self, change: Change[Any]) -> None:
        self.change = change
        self.outcome: Any = None
        self.is_over = False

    def do(self, step: Callable[[Change[Any]], Any]) -> None:
        if self.is_over:
            return
        try:
            self.outcome = step(self.change)
        except BaseException as error:
            self.fail(error)
            with suppress(OSError):
                self.change.discard()

    def fail(self, error: BaseException) -> None:
        if not self.is_over:
            self.outcome, self.is_over = error, True


class DiskWriter:
    def __init__(self) -> None:
        self._worker: GroupWorker[Change[Any], Any] = GroupWorker("disk-writer", self._make_all, most=GROUP)
        self._flushers = ThreadPoolExecutor(FLUSHES - 1, thread_name_prefix="disk-flusher")

    async def make(self, change: Change[T]) -> T:
        """Returns when it is durable. Cancelled, it waits for that nevertheless."""
        result: T = await self._worker.call(change)
        return result

    def submit(self, change: Change[T]) -> "Future[T]":
        """As `make`, for threads."""
        return self._worker.submit(change)

    def close(self) -> None:
        """Waits for what was submitted. Blocking."""
        self._worker.close()
        self._flushers.shutdown()

    def _make_all(self, changes: Sequence[Change[Any]]) -> list[Any]:
        """An error that is none of a single change ends them all."""
        jobs = [_Job(change) for change in changes]
        folders = Folders()
        try:
            for job in jobs:
                job.do(lambda change: change.prepare())
            self._flush([job for job in jobs if job.change.flushes])
            for job in jobs:
                job.do(lambda change: change.apply(folders))
            for folder in folders.dirty:
                sync_folder(folder)
        except BaseException as error:
            for job in jobs:
                job.fail(error)
        else:
            with suppress(OSError):  # what cannot be removed now is removed at the next start
                for path in folders.doomed:
                    Path(path).unlink(missing_ok=True)
        return [job.outcome for job in jobs]

    def _flush(self, jobs: Sequence[_Job]) -> None:
        """Two or more files in each thread, of which this is one."""
        threads = max(1, min(FLUSHES, len(jobs) // 2))

        def flush_some(first: int) -> None:
            for job in jobs[first::threads]:
                job.do(lambda change: change.flush())

        others = self._flushers.map(flush_some, range(1, threads))
        flush_some(0)
        list(others)

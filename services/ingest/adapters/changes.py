"""Says when something changes in directories of this machine (inotify and its kin, by `watchfiles`).

A hint and no more: file systems of other machines tell nothing, and a kernel runs out of watches. Polling finds all.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog
from watchfiles import Change, watch

from libs.runtime.own_thread import OwnThread
from services.ingest.adapters.place import LocalDirectory

QUIET_MILLISECONDS: Final = 200
"""Changes that follow each other this closely are one."""
ARMED_MILLISECONDS: Final = 500
"""After the watches are set, a call tells that nothing has changed so far."""
FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 60.0
"""Between attempts to set the watches again; each pause is twice as long as the one before."""

log = structlog.get_logger()


class Changes:
    """A resource of the service."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._directories: frozenset[LocalDirectory] = frozenset()
        self._watching: asyncio.Task[None] | None = None

    async def open(self) -> None:
        self._thread = OwnThread("watch.changes")  # setting a watch on a mount that hangs holds up nobody else

    async def close(self) -> None:
        watching = self._watching
        self.watch(frozenset())
        if watching is not None:
            await asyncio.wait({watching})
        self._thread.end()

    async def check(self) -> None:
        pass

    def watch(self, directories: frozenset[LocalDirectory]) -> None:
        """These from now on, and no others. What lies below them is not watched.

        `on_change` is also called once the watches are set: what changed before was told by nobody.
        """
        if directories == self._directories:
            return
        if self._watching is not None:
            self._watching.cancel()
        self._directories = directories
        paths = frozenset(directory.path for directory in directories)
        self._watching = asyncio.create_task(self._keep_watching(paths)) if paths else None

    async def _keep_watching(self, paths: frozenset[Path]) -> None:
        """Sets the watches again after they were lost, until it is cancelled."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            watcher = _Watcher(paths, self._on_change)
            try:
                await watcher.run(self._thread)
            except Exception as error:
                if watcher.was_armed or pause == FIRST_PAUSE_SECONDS:  # not at every attempt
                    log.warning("watch.polling_only", error=type(error).__name__, detail=str(error))
            pause = FIRST_PAUSE_SECONDS if watcher.was_armed else min(2 * pause, LONGEST_PAUSE_SECONDS)
            await asyncio.sleep(pause)


class _Watcher:
    """One set of watches, from its setting to its loss."""

    def __init__(self, paths: frozenset[Path], on_change: Callable[[], None]) -> None:
        self.was_armed = False
        self._paths = paths
        self._on_change = on_change
        self._stopped = threading.Event()

    async def run(self, thread: OwnThread) -> None:
        """Returns when one of the directories went away: its watch went with it. Raises what the kernel does."""
        try:
            await thread.run(self._run, asyncio.get_running_loop())
        finally:
            self._stopped.set()

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._stopped.is_set():
            return
        for changes in watch(
            *sorted(self._paths),
            watch_filter=None,
            recursive=False,
            step=QUIET_MILLISECONDS,
            rust_timeout=ARMED_MILLISECONDS,
            yield_on_timeout=True,
            stop_event=self._stopped,
            ignore_permission_denied=True,
        ):
            if changes or not self.was_armed:
                with suppress(RuntimeError):  # the loop is closed
                    loop.call_soon_threadsafe(self._on_change)
            self.was_armed = True
            if any(change is Change.deleted and Path(path) in self._paths for change, path in changes):
                return

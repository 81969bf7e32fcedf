"""Says when something changes in directories of this machine (inotify and its kin, by `watchfiles`).

A hint and no more: file systems of other machines tell nothing, and a kernel runs out of watches. Polling finds all.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog
from watchfiles import awatch

QUIET_MILLISECONDS: Final = 200
"""Changes that follow each other this closely are one."""

log = structlog.get_logger()


class Changes:
    """A resource of the service."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._directories: frozenset[Path] = frozenset()
        self._watching: asyncio.Task[None] | None = None

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        await self.watch(frozenset())

    async def check(self) -> None:
        pass

    async def watch(self, directories: frozenset[Path]) -> bool:
        """These from now on, and no others; True where that is something new. What lies below them is not watched."""
        if directories == self._directories:
            return False
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})
        self._directories = directories
        self._watching = asyncio.create_task(self._watch(directories)) if directories else None
        return True

    async def _watch(self, directories: frozenset[Path]) -> None:
        try:
            async for _ in awatch(
                *sorted(directories), watch_filter=None, recursive=False, step=QUIET_MILLISECONDS, rust_timeout=1000
            ):
                self._on_change()
        except Exception as error:
            log.warning("watch.polling-only", error=type(error).__name__)

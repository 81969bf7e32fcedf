"""Private folders for jobs, one tree per process, that a dead process does not leave behind for long.

Each process keeps a lock on a file in its tree; a tree whose lock is free belongs to nobody and is swept at the next start.
"""

import asyncio
import fcntl
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import IO

import structlog

LOCK = "lock"

log = structlog.get_logger()


class Workspace:
    """A `libs.runtime.service.Resource`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._tree: Path | None = None
        self._lock: IO[bytes] | None = None

    async def open(self) -> None:
        await asyncio.to_thread(self._open)

    async def close(self) -> None:
        if self._tree is not None:
            await asyncio.to_thread(shutil.rmtree, self._tree, ignore_errors=True)
        if self._lock is not None:
            self._lock.close()

    async def check(self) -> None:
        """Raises OSError where files cannot be written."""
        if self._tree is None:
            raise FileNotFoundError(str(self._root))
        await asyncio.to_thread((self._tree / "check").touch)

    @asynccontextmanager
    async def folder(self) -> AsyncIterator[Path]:
        """A new empty folder (mode 0700), gone with everything in it afterwards."""
        assert self._tree is not None
        path = Path(await asyncio.to_thread(mkdtemp, dir=self._tree))
        try:
            yield path
        finally:
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, path, ignore_errors=True))

    def _open(self) -> None:
        root = self._root.resolve()
        root.mkdir(parents=True, exist_ok=True)
        with (root / LOCK).open("wb") as turn:  # a new tree must not be swept before it is locked
            fcntl.flock(turn, fcntl.LOCK_EX)
            for tree in root.glob("run-*"):
                _sweep(tree)
            self._tree = Path(mkdtemp(prefix="run-", dir=root))
            self._lock = (self._tree / LOCK).open("wb")
            fcntl.flock(self._lock, fcntl.LOCK_EX)


def _sweep(tree: Path) -> None:
    with suppress(OSError), (tree / LOCK).open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(tree)
        log.info("workspace.swept", tree=tree.name)

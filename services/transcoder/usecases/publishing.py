"""Puts the files that were made into the object store."""

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from libs.object_store.port import ObjectStore

CONTENT_TYPES: Final = {
    ".jpg": "image/jpeg", ".png": "image/png", ".mp4": "video/mp4", ".ts": "video/mp2t",
    ".m3u8": "application/vnd.apple.mpegurl",
}  # fmt: skip


class RenditionPublisher:
    """Of one job: from the folder `output` to keys that begin with `prefix`."""

    def __init__(self, store: ObjectStore, prefix: str, output: Path, writes: asyncio.Semaphore) -> None:
        """`writes` bounds those of all jobs together."""
        self.store = store
        self.prefix = prefix
        self.output = output
        self._written: set[str] = set()
        self._writes = writes

    async def publish(self, named: Sequence[str]) -> None:
        """Segments first, what refers to them last: nothing that can be read points at what is not there yet."""
        if named:
            files = await asyncio.to_thread(_files, self.output)
            await self.write_new(name for name in files if name not in named)
            await self.write_new(reversed(named))

    async def write_new(self, names: Iterable[str]) -> None:
        """Those that were not written before. Raises the store's errors; what was written by then is not written again."""
        try:
            async with asyncio.TaskGroup() as group:
                for name in names:
                    if name not in self._written:
                        group.create_task(self._write(name))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _write(self, name: str) -> None:
        async with self._writes:
            path = self.output / name
            await self.store.write(self.prefix + name, path, content_type=CONTENT_TYPES[path.suffix])
            self._written.add(name)


def _files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())

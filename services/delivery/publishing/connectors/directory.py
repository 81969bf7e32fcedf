"""A mounted folder: the file is written beside its place, made durable and renamed, so that nobody sees half of it.

Whatever is written at one offset of one publication's temporary file is the same at every attempt; a worker that lost its
lease and does not know it yet harms nothing.
"""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

from contracts.account import DirectoryAccount
from contracts.events import JsonObject
from contracts.ids import TenantId
from services.delivery.publishing.connectors.port import Checkpoint, Entry, File, Published
from services.delivery.publishing.domain.error import PublishError
from services.delivery.publishing.domain.name import filled

DURABLE_BYTES: Final = 64 * 1024 * 1024
"""After so much it is noted how far we are."""
FORBIDDEN: Final[tuple[type[OSError], ...]] = (PermissionError, FileExistsError, NotADirectoryError, IsADirectoryError)

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Directories:
    """The folders below `root`, where each tenant has one of its own, called like its id: no tenant reaches another's.

    A resource of the service, for its threads: a mount that hangs holds up no other work.
    """

    def __init__(self, root: Path, *, threads: int = 8) -> None:
        self._root = root
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="directory")

    def connector(self, settings: DirectoryAccount) -> "DirectoryConnector":
        return DirectoryConnector(settings, self)

    async def open(self) -> None:
        """The root is made when it is needed."""

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def check(self) -> None:
        """A mount that is away is its accounts' trouble, not this service's."""

    async def run(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Does blocking work in a thread. Cancelled, it still waits for that work to end: its file must stay open."""
        future = asyncio.get_running_loop().run_in_executor(self._threads, lambda: work(*args, **kwargs))
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            while not future.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([future])
            future.exception()
            raise

    def folder(self, tenant_id: TenantId, path: str) -> Path:
        """Blocking. Raises PublishError where the path leads out of the tenant's folder, through symbolic links too."""
        root = self._of(tenant_id)
        folder = (root / path).resolve()
        if not folder.is_relative_to(root):
            raise PublishError("account_settings_invalid", "The account's folder is not below that of its tenant.")
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def name_of(self, tenant_id: TenantId, path: Path) -> str:
        return str(path.relative_to(self._of(tenant_id)))

    def _of(self, tenant_id: TenantId) -> Path:
        return (self._root / str(tenant_id)).resolve()


class DirectoryConnector:
    def __init__(self, settings: DirectoryAccount, directories: Directories) -> None:
        self._settings = settings
        self._directories = directories

    async def publish(self, entry: Entry, file: File, checkpoint: Checkpoint) -> Published:
        """As `Connector.publish`. The external id is the file's path below the tenant's folder."""
        run = self._directories.run
        try:
            folder = await run(self._directories.folder, entry.tenant_id, self._settings.path)
            target = folder / filled(self._settings.name, entry.names)
            if await run(_size, target) != file.size_bytes:
                part = _part(folder, entry)
                await self._fill(part, file, checkpoint)
                await run(_place, part, target)
        except OSError as error:
            raise _failure(error) from None
        return Published(self._directories.name_of(entry.tenant_id, target))

    async def give_up(self, entry: Entry, state: JsonObject | None) -> None:
        folder = await self._directories.run(self._directories.folder, entry.tenant_id, self._settings.path)
        await self._directories.run(_part(folder, entry).unlink, missing_ok=True)

    async def _fill(self, part: Path, file: File, checkpoint: Checkpoint) -> None:
        run = self._directories.run
        there: int | None = await run(_size, part)
        done = min(int((checkpoint.state or {}).get("bytes", 0)), there or 0)
        durable = done
        descriptor = await run(os.open, part, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            async with aclosing(file.read(done)) as pieces:
                async for piece in pieces:
                    await run(_write_at, descriptor, piece, done)
                    done += len(piece)
                    if done - durable >= DURABLE_BYTES:
                        await run(os.fdatasync, descriptor)
                        await checkpoint.save({"bytes": done})
                        durable = done
            await run(os.ftruncate, descriptor, file.size_bytes)
            await run(os.fsync, descriptor)
        finally:
            os.close(descriptor)


def _part(folder: Path, entry: Entry) -> Path:
    return folder / f".{entry.publication_id}.part"


def _size(path: Path) -> int | None:
    """None where there is no such file."""
    try:
        return path.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return None


def _write_at(descriptor: int, piece: bytes, offset: int) -> None:
    view = memoryview(piece)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def _place(part: Path, target: Path) -> None:
    part.replace(target)
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _failure(error: OSError) -> PublishError:
    """In the operating system's words, without the path."""
    if isinstance(error, FORBIDDEN):
        return PublishError("destination_unauthorized", f"The account's folder cannot be written: {error.strerror}.")
    return PublishError(
        "destination_unavailable", f"The account's folder cannot be written now: {error.strerror}.", may_pass=True
    )

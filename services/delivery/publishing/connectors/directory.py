"""A mounted folder: the file is written beside its place, made durable and renamed, so that nobody sees half of it.

Whatever is written at one offset of one publication's temporary file is the same at every attempt; a worker that lost its
lease and does not know it yet harms nothing.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

from contracts.account import DirectoryAccount
from contracts.events import JsonObject
from contracts.ids import TenantId
from libs.runtime.own_thread import OwnThread
from services.delivery.publishing.connectors.port import Checkpoint, Entry, File
from services.delivery.publishing.domain.error import PublishError
from services.delivery.publishing.domain.name import filled
from services.delivery.publishing.domain.outcome import Published

DURABLE_BYTES: Final = 64 * 1024 * 1024
"""After so much it is noted how far we are."""
MAX_HANGING: Final = 64
"""Threads whose call hangs; with so many no other is begun."""
FORBIDDEN: Final[tuple[type[OSError], ...]] = (PermissionError, FileExistsError, NotADirectoryError, IsADirectoryError)

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Directories:
    """The folders below `root`, where each tenant has one of its own, called like its id: no tenant reaches another's.

    A call to the file system may take `seconds`. One that takes longer is left alone in its thread: a mount that hangs costs
    an attempt no more than that.
    """

    def __init__(self, root: Path, *, seconds: float) -> None:
        self._root = root
        self._seconds = seconds
        self._left: list[OwnThread] = []

    def connector(self, settings: DirectoryAccount) -> "DirectoryConnector":
        return DirectoryConnector(settings, self)

    @contextmanager
    def calls(self) -> Iterator["Calls"]:
        """For one attempt. Raises PublishError where too many hang."""
        self._left = [thread for thread in self._left if thread.is_alive]
        if len(self._left) >= MAX_HANGING:
            raise _silent()
        thread = OwnThread("directory")
        calls = Calls(thread, self._seconds)
        try:
            yield calls
        finally:
            thread.end(calls.close)
            self._left.append(thread)

    def folder(self, tenant_id: TenantId, path: str) -> Path:
        """Blocking. Raises PublishError where the path leads out of the tenant's folder, through symbolic links too."""
        root = self._of(tenant_id)
        folder = (root / path).resolve()
        if not folder.is_relative_to(root):
            raise PublishError("account_settings_invalid", "The account's folder is not below that of its tenant.")
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def name_of(self, tenant_id: TenantId, path: Path) -> str:
        """Blocking."""
        return str(path.relative_to(self._of(tenant_id)))

    def _of(self, tenant_id: TenantId) -> Path:
        return (self._root / str(tenant_id)).resolve()


class Calls:
    """Blocking calls of one attempt, and the file that it writes: closed after the last of them, however late that ends."""

    def __init__(self, thread: OwnThread, seconds: float) -> None:
        self._thread = thread
        self._seconds = seconds
        self._descriptor: int | None = None

    async def run(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Raises PublishError for what the file system refuses, and where it does not answer in time."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._thread.run(work, *args, **kwargs)
        except OSError as error:
            raise _failure(error) from None

    async def open(self, part: Path) -> None:
        await self.run(self._open, part)

    async def write_at(self, piece: bytes, offset: int) -> None:
        await self.run(self._with_descriptor, _write_at, piece, offset)

    async def make_durable(self) -> None:
        await self.run(self._with_descriptor, os.fdatasync)

    async def finish(self, size_bytes: int) -> None:
        await self.run(self._with_descriptor, os.ftruncate, size_bytes)
        await self.run(self._with_descriptor, os.fsync)

    def close(self) -> None:
        if self._descriptor is not None:
            with suppress(OSError):
                os.close(self._descriptor)

    def _open(self, part: Path) -> None:
        self._descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)

    def _with_descriptor(self, work: Callable[..., None], *args: object) -> None:
        assert self._descriptor is not None, "opened before"
        work(self._descriptor, *args)


class DirectoryConnector:
    def __init__(self, settings: DirectoryAccount, directories: Directories) -> None:
        self._settings = settings
        self._directories = directories

    async def publish(self, entry: Entry, file: File, checkpoint: Checkpoint) -> Published:
        """As `Connector.publish`. The external id is the file's path below the tenant's folder."""
        directories = self._directories
        with directories.calls() as calls:
            folder = await calls.run(directories.folder, entry.tenant_id, self._settings.path)
            target = folder / filled(self._settings.name, entry.names)
            if await calls.run(_size, target) != file.size_bytes:
                part = _part(folder, entry)
                await _fill(calls, part, file, checkpoint)
                await calls.run(_place, part, target)
            return Published(await calls.run(directories.name_of, entry.tenant_id, target))

    async def give_up(self, entry: Entry, state: JsonObject | None) -> None:
        directories = self._directories
        with directories.calls() as calls:
            folder = await calls.run(directories.folder, entry.tenant_id, self._settings.path)
            await calls.run(_part(folder, entry).unlink, missing_ok=True)


async def _fill(calls: Calls, part: Path, file: File, checkpoint: Checkpoint) -> None:
    there: int | None = await calls.run(_size, part)
    done = min(int((checkpoint.state or {}).get("bytes", 0)), there or 0)
    durable = done
    await calls.open(part)
    async with aclosing(file.read(done)) as pieces:
        async for piece in pieces:
            await calls.write_at(piece, done)
            done += len(piece)
            if done - durable >= DURABLE_BYTES:
                await calls.make_durable()
                await checkpoint.save({"bytes": done})
                durable = done
    await calls.finish(file.size_bytes)


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
    if isinstance(error, TimeoutError):
        return _silent()
    message = f"The account's folder cannot be written now: {error.strerror}."
    return PublishError("destination_unavailable", message, may_pass=True)


def _silent() -> PublishError:
    message = "The account's folder cannot be written now: it does not answer."
    return PublishError("destination_timeout", message, may_pass=True, unreached=True)

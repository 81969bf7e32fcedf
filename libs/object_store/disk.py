"""The object store in a directory, for one process: how it lies there is in `disk_files` and `disk_multipart`, how it changes
in `disk_change`, its upload URLs in `disk_http`.

Everything that is acknowledged is on the disk (fsync) and survives kill -9; nothing that was cut off is ever visible.
"""

import asyncio
import os
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, ParamSpec, TypeVar
from urllib.parse import quote_plus
from weakref import WeakValueDictionary

import structlog

from libs.object_store.disk_batch import DiskBatch
from libs.object_store.disk_change import Delete, Promote, copying, storing
from libs.object_store.disk_files import DiskFiles
from libs.object_store.disk_migration import migrate
from libs.object_store.disk_multipart import DiskMultipart
from libs.object_store.group_worker import GroupWorker, one_by_one
from libs.object_store.incoming import BUFFER_BYTES, Incoming
from libs.object_store.port import (
    ObjectInfo,
    ObjectNotFoundError,
    OpenMultipart,
    Part,
    PeekedObject,
    StoreUnavailableError,
    check_parts,
)
from libs.object_store.presign import Presigner
from libs.object_store.uninterrupted import uninterrupted

log = structlog.get_logger()

Notify = Callable[[dict[str, object]], Awaitable[None]]
PAGE = 1000
BUCKET = "storage"
_P = ParamSpec("_P")
_T = TypeVar("_T")


class DiskStore:
    """`ObjectStore` below `root`. `secret` signs its upload URLs, which `disk_http` serves at `{public_base_url}/storage/…`.

    `notify` is given an S3 event notification for each object that came in through such URLs; it may fail, since a
    notification is only a hint.
    """

    def __init__(
        self, root: Path, public_base_url: str, secret: str, notify: Notify | None = None, *, threads: int = 8
    ) -> None:
        self.files = DiskFiles(root)
        self.multipart = DiskMultipart(root, self.files)
        self.presigner = Presigner(f"{public_base_url.rstrip('/')}/{BUCKET}", "longshore", secret)
        self._notify = notify
        self._completing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._open = False
        self._notices: set[asyncio.Task[None]] = set()
        self._receiving: set[asyncio.Task[Any]] = set()
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="disk-store")
        self._readers = ThreadPoolExecutor(threads, thread_name_prefix="disk-store-reader")
        self._looks = GroupWorker("disk-look", one_by_one(self.files.stat), threads=4)
        self._starts = GroupWorker("disk-start", one_by_one(self._start_multipart))

    async def open(self) -> None:
        # Several services may share the store; what is in `tmp` later is no rubbish.
        if not self._open:
            self._open = True
            await self.run(self.files.sweep)
            await self.run(migrate, self.files)
            await self.run(self.multipart.sweep)

    async def close(self) -> None:
        """Waits for the work that is under way: whoever was cancelled still has its temporary file to remove."""
        if under_way := self._receiving | self._notices:
            await asyncio.wait(under_way, timeout=5)
        await asyncio.to_thread(self._threads.shutdown)
        await asyncio.to_thread(self._readers.shutdown)
        await asyncio.to_thread(self._looks.close)
        await asyncio.to_thread(self._starts.close)
        await asyncio.to_thread(self.files.writer.close)

    async def check(self) -> None:
        try:
            await self.run(self._probe)
        except OSError as error:
            raise StoreUnavailableError(f"the store's directory cannot be written: {error.strerror}") from error

    async def stat(self, key: str) -> ObjectInfo | None:
        self.files.tree.place(key)
        return await self._looks.call(key)

    async def peek(self, key: str, max_bytes: int) -> PeekedObject | None:
        return await self.run_reader(_peek, self.files, key, max_bytes)

    async def open_file(self, key: str, *, match_etag: str | None = None) -> BinaryIO:
        opened: list[BinaryIO] = []
        try:
            await self.run_reader(lambda: opened.append(self.files.open(key, match_etag)[1]))
        except BaseException:
            for file in opened:  # whoever waited for it was cancelled
                file.close()
            raise
        return opened[0]

    async def read(
        self, key: str, *, start: int = 0, length: int | None = None, match_etag: str | None = None
    ) -> AsyncIterator[bytes]:
        opened: list[BinaryIO] = []
        try:
            chunk, left = await self.run(
                _open_and_read, opened, self.files, key, start=start, length=length, match_etag=match_etag
            )
            while chunk:
                yield chunk
                start, left = start + len(chunk), left - len(chunk)
                chunk = await self.run(_read_at, opened[0], start, min(left, BUFFER_BYTES)) if left else b""
        finally:
            for file in opened:  # also where whoever waited for it was cancelled
                file.close()

    async def download(self, key: str, path: Path) -> None:
        await self.run(self.files.link, key, path)

    async def write(
        self, key: str, content: Path | AsyncIterable[bytes], *, content_type: str, metadata: Mapping[str, str] | None = None
    ) -> ObjectInfo:
        async def fill(incoming: Incoming) -> None:
            if isinstance(content, Path):
                await self.run(incoming.copy_from, content)
            else:
                await self.append(incoming, content)

        self.files.tree.place(key)
        return await self.receive(fill, lambda whole: self.commit(whole, key, content_type, metadata))

    async def receive(
        self,
        fill: Callable[[Incoming], Awaitable[None]],
        commit: Callable[[Incoming], Awaitable[_T]],
        create: Callable[[], Incoming] | None = None,
    ) -> _T:
        """Stores what `fill` appends as whatever `commit` makes of it; when one of them raises, nothing is left.

        `create` says where the bytes go, and is called in a thread.
        """
        task = asyncio.current_task()
        assert task is not None
        self._receiving.add(task)
        created: list[Incoming] = []
        try:
            if create:
                await self.run(lambda: created.append(create()))
            else:
                created.append(self.files.create())
            await fill(created[0])
            return await commit(created[0])
        except BaseException:
            for incoming in created:  # also one whose creation was over only after this was cancelled
                await self.run(incoming.discard)
            raise
        finally:
            self._receiving.discard(task)

    async def commit(
        self, incoming: Incoming, key: str, content_type: str, metadata: Mapping[str, str] | None = None
    ) -> ObjectInfo:
        """Makes it the object under `key`; together with others that come at the same time."""
        if incoming.is_held:
            return await self.files.writer.make(storing(self.files, incoming, key, content_type, metadata))
        return await self.files.writer.make(await self.run(storing, self.files, incoming, key, content_type, metadata))

    async def append(self, incoming: Incoming, chunks: AsyncIterable[bytes]) -> None:
        """Writes a stream, a buffer's worth at a time."""
        held: list[bytes] = []
        held_bytes = 0
        async for chunk in chunks:
            held.append(chunk)
            held_bytes += len(chunk)
            if held_bytes >= BUFFER_BYTES:
                await self.run(incoming.write_all, held)
                held, held_bytes = [], 0
        if incoming.fits(held_bytes):
            incoming.write_all(held)  # nothing is written yet
        else:
            await self.run(incoming.write_all, held)

    @asynccontextmanager
    async def batch(self) -> AsyncIterator[DiskBatch]:
        task = asyncio.current_task()
        assert task is not None
        self._receiving.add(task)
        batch = DiskBatch(self.files)
        try:
            yield batch
        finally:
            await self.run(batch.discard)
            self._receiving.discard(task)

    async def copy(self, source: str, target: str, *, match_etag: str, content_type: str | None = None) -> ObjectInfo:
        return await self.files.writer.make(await self.run(copying, self.files, source, target, match_etag, content_type))

    async def promote(self, staged: ObjectInfo, target: str, *, content_type: str | None = None) -> ObjectInfo:
        return await self.files.writer.make(Promote(self.files, staged.key, target, staged.etag, content_type))

    async def delete(self, keys: Sequence[str]) -> None:
        if keys:
            await self.files.writer.make(Delete(self.files, keys))

    async def list(self, prefix: str, *, after: str = "") -> AsyncIterator[Sequence[ObjectInfo]]:
        found = self.files.walk(prefix, after)
        while page := await self.run(lambda: list(islice(found, PAGE))):
            yield page
            if len(page) < PAGE:
                break

    def presign_put(
        self,
        key: str,
        *,
        expires_in: timedelta,
        headers: Mapping[str, str],
        content_length: int | None = None,
        now: datetime | None = None,
    ) -> str:
        bound = dict(headers) if content_length is None else {**headers, "content-length": str(content_length)}
        return self.presigner.url("PUT", key, expires_in=expires_in, headers=bound, now=now)

    async def start_multipart(self, key: str, *, content_type: str, metadata: Mapping[str, str] | None = None) -> str:
        return await self._starts.call((key, content_type, metadata or {}))

    def _start_multipart(self, asked: tuple[str, str, Mapping[str, str]]) -> str:
        return self.multipart.start(*asked)

    def presign_parts(
        self, key: str, multipart_id: str, numbers: Iterable[int], *, expires_in: timedelta, now: datetime | None = None
    ) -> Sequence[str]:
        return self.presigner.part_urls(key, multipart_id, numbers, expires_in=expires_in, now=now)

    async def list_parts(self, key: str, multipart_id: str) -> Sequence[Part]:
        return await self.run(self.multipart.parts, key, multipart_id)

    async def complete_multipart(self, key: str, multipart_id: str, parts: Sequence[Part]) -> ObjectInfo:
        check_parts(parts)
        # Whoever asks again while it is being done shall not have it done twice at the same time.
        async with self._completing.setdefault(multipart_id, asyncio.Lock()):
            info = await self.run(self.multipart.complete, key, multipart_id, parts)
        self.announce(info)
        return info

    async def abort_multipart(self, key: str, multipart_id: str) -> None:
        await self.run(self.multipart.abort, key, multipart_id)

    async def list_multiparts(self, prefix: str) -> AsyncIterator[Sequence[OpenMultipart]]:
        found = self.multipart.uploads(prefix)
        while page := await self.run(lambda: list(islice(found, PAGE))):
            yield page

    async def run(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Does blocking work in one of the store's threads. Cancelled, it still waits for that work to end."""
        future = asyncio.get_running_loop().run_in_executor(self._threads, lambda: work(*args, **kwargs))
        return await uninterrupted(future)

    async def run_reader(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """As `run`, in threads of their own: downloads, however many, hold up no upload."""
        future = asyncio.get_running_loop().run_in_executor(self._readers, lambda: work(*args, **kwargs))
        return await uninterrupted(future)

    def announce(self, info: ObjectInfo) -> None:
        """Tells `notify` about an object that came in, without anybody waiting for it."""
        if self._notify is None:
            return
        task = asyncio.create_task(self._tell(self._notify, info))
        self._notices.add(task)
        task.add_done_callback(self._notices.discard)

    async def _tell(self, notify: Notify, info: ObjectInfo) -> None:
        try:
            await notify(notification(info))
        except Exception as error:
            log.warning("object_store.notify_failed", key=info.key, error=type(error).__name__)

    def _probe(self) -> None:
        with self.files.create() as probe:
            probe.write(b"?")
            probe.fileno()


def notification(info: ObjectInfo) -> dict[str, object]:
    """The event record that S3 and its kind send. Source: "Event message structure", Amazon S3 user guide."""
    found = {
        "key": quote_plus(info.key, safe="/"),
        "size": info.size_bytes,
        "eTag": info.etag,
        "sequencer": f"{int(info.modified_at.timestamp() * 1e6):016X}",
    }
    at = info.modified_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    s3 = {"s3SchemaVersion": "1.0", "bucket": {"name": BUCKET}, "object": found}
    record = {
        "eventVersion": "2.1",
        "eventSource": "longshore:disk",
        "eventTime": at,
        "eventName": "ObjectCreated:Put",
        "s3": s3,
    }
    return {"Records": [record]}


def _open_and_read(
    opened: list[BinaryIO], files: DiskFiles, key: str, *, start: int, length: int | None, match_etag: str | None
) -> tuple[bytes, int]:
    """The first piece of the range, and how many bytes the range has with it. The open file is appended to `opened`."""
    record, file = files.open(key, match_etag)
    opened.append(file)
    left = max(0, record.size_bytes - start)
    left = left if length is None else min(left, length)
    return _read_at(file, start, min(left, BUFFER_BYTES)), left


def _peek(files: DiskFiles, key: str, max_bytes: int) -> PeekedObject | None:
    try:
        record, file = files.open(key)
    except ObjectNotFoundError:
        return None
    with file:
        content = file.read(record.size_bytes) if record.size_bytes <= max_bytes else None
    # The file of an object without a blob goes on behind its content.
    path = str(Path(files.blob(record.blob)).relative_to(files.root)) if record.blob else None
    return PeekedObject(record.info(key), content, path)


def _read_at(file: BinaryIO, start: int, length: int) -> bytes:
    return os.pread(file.fileno(), length, start)

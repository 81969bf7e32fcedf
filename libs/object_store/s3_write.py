"""Streams on their way into an S3 store: small ones with one PUT, longer ones in parts, of which several are sent at a time."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Coroutine, Mapping
from contextlib import aclosing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from libs.object_store.port import ObjectInfo, Part, StoreUnavailableError
from libs.object_store.s3_client import Body, Piece, S3Client, S3Request
from libs.object_store.s3_multipart import S3Multipart
from libs.object_store.uninterrupted import uninterrupted

PART_BYTES: Final = 8 * 1024 * 1024
"""10,000 make 80 GB."""
PARTS_AT_ONCE: Final = 4
"""Of one stream, while the next one is read: so many and one more are in memory."""
PARTS_IN_ALL: Final = 16
"""Of all streams; who has to wait reads no further."""
_SMALL_BYTES = 64 * 1024
_BLOCK_BYTES = 256 * 1024
"""Small chunks are joined to such blocks, which are not sent one by one."""


class S3Writer:
    def __init__(self, client: S3Client) -> None:
        self._client = client
        self._multipart = S3Multipart(client)
        self._in_all = asyncio.Semaphore(PARTS_IN_ALL)

    async def write(self, key: str, chunks: AsyncIterable[bytes], content_type: str, metadata: Mapping[str, str]) -> ObjectInfo:
        """Nothing is visible, and nothing is left, where the stream ends with an error."""
        async with aclosing(regrouped(chunks, PART_BYTES)) as pieces:
            first: Body = await anext(pieces, [])
            if _size(first) < PART_BYTES:
                return await self._put(key, first, content_type, metadata)
            return await self._put_in_parts(key, first, pieces, content_type, metadata)

    async def _put(self, key: str, body: Body, content_type: str, metadata: Mapping[str, str]) -> ObjectInfo:
        headers = {"Content-Type": content_type} | {f"x-amz-meta-{name}": value for name, value in metadata.items()}
        # It must be over before anything else is done about its key.
        answer = await uninterrupted(self._client.send(S3Request("PUT", key, None, headers, body)))
        return ObjectInfo(key, _size(body), answer.etag, answer.answered_at, content_type, metadata)

    async def _put_in_parts(
        self, key: str, first: Body, more: AsyncGenerator[Body], content_type: str, metadata: Mapping[str, str]
    ) -> ObjectInfo:
        multipart_id = await uninterrupted(self._multipart.start(key, content_type, metadata))
        parts = _PartsOnTheirWay(partial(self._multipart.put, key, multipart_id), self._in_all)
        try:
            await parts.add(first)
            async for body in more:
                await parts.add(body)
            completing = self._multipart.complete(key, multipart_id, await parts.all())
            written = await uninterrupted(completing)
        except BaseException:
            with suppress(StoreUnavailableError):  # then it is found by whoever sweeps open multipart uploads
                await asyncio.shield(self._give_up(key, multipart_id, parts))
            raise
        return replace(written, content_type=content_type, metadata=metadata)

    async def _give_up(self, key: str, multipart_id: str, parts: "_PartsOnTheirWay") -> None:
        """A part that came in after the end would stay."""
        await parts.settle()
        await self._multipart.abort(key, multipart_id)


class _PartsOnTheirWay:
    """Of one stream, in order from 1."""

    def __init__(self, put: Callable[[int, Body], Coroutine[None, None, Part]], in_all: asyncio.Semaphore) -> None:
        self._put = put
        self._in_all = in_all
        self._own = asyncio.Semaphore(PARTS_AT_ONCE)
        self._tasks: list[asyncio.Task[Part]] = []
        self._error: BaseException | None = None

    async def add(self, body: Body) -> None:
        """Returns when the next one may be read. Raises what ended an earlier one."""
        await self._own.acquire()
        if self._error:
            raise self._error
        await self._in_all.acquire()
        task = asyncio.create_task(self._put(len(self._tasks) + 1, body))
        task.add_done_callback(self._end)
        self._tasks.append(task)

    async def all(self) -> list[Part]:
        await asyncio.wait(self._tasks, return_when=asyncio.FIRST_EXCEPTION)
        return [task.result() for task in self._tasks if task.done()]

    async def settle(self) -> None:
        """Returns when none is under way any more, however they ended."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _end(self, task: "asyncio.Task[Part]") -> None:
        self._own.release()
        self._in_all.release()
        self._error = self._error or (None if task.cancelled() else task.exception())


async def chunks_of(path: Path) -> AsyncGenerator[bytes]:
    """A local file's content."""
    file: BinaryIO = await asyncio.to_thread(path.open, "rb", 0)
    with file:
        while chunk := await asyncio.to_thread(file.read, 1024 * 1024):
            yield chunk


async def regrouped(chunks: AsyncIterable[bytes], size: int) -> AsyncGenerator[list[Piece]]:
    """The same bytes in groups of `size`, only the last one smaller. They are not copied, but for small chunks."""
    held: list[Piece] = []
    held_bytes = 0
    async for chunk in chunks:
        view = memoryview(chunk)
        while held_bytes + len(view) >= size:
            cut = size - held_bytes
            yield [*held, view[:cut]]
            held, held_bytes, view = [], 0, view[cut:]
        if view:
            _append(held, view)
            held_bytes += len(view)
    if held:
        yield held


def _append(held: list[Piece], view: memoryview) -> None:
    last = held[-1] if held else None
    if len(view) >= _SMALL_BYTES:
        held.append(view)
    elif isinstance(last, bytearray) and len(last) < _BLOCK_BYTES:
        last += view
    else:
        held.append(bytearray(view))


def _size(body: Body) -> int:
    return sum(len(piece) for piece in body)

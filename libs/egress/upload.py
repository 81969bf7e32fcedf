"""A request whose body is a stream of known length: constant memory, and no faster than the receiver takes it.

Nothing is followed: a redirect is an answer. What fails while the content is read is raised as it is, not as the receiver's
fault.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Self

from yarl import URL

from libs.egress.client import BODY_SECONDS, Answer, EgressError, GuardedClient, beginning, typed_failures

ANSWER_BYTES: Final = 64 * 1024


@dataclass(frozen=True)
class Content:
    size_bytes: int
    chunks: AsyncIterator[bytes]
    """Read once; closed with the request."""


@dataclass(frozen=True)
class UploadLimits:
    total_seconds: float
    """From the first look-up of a name to the head of the answer."""
    idle_seconds: float
    """For the connection, between two pieces that the receiver takes, and for the answer after the last one."""
    body_seconds: float = BODY_SECONDS
    """For the answer's body, where its beginning is of interest."""


async def upload(
    client: GuardedClient, method: str, url: str | URL, content: Content, *, headers: Mapping[str, str], limits: UploadLimits
) -> Answer:
    """Sends once; the answer may have any status. A `URL` goes out exactly as it is spelled: its signature covers that.

    Raises:
        EgressRefusedError, EgressTimeoutError, EgressNetworkError, and whatever `content.chunks` raises.
    """
    async with _Body(content, limits.idle_seconds) as body:
        try:
            with typed_failures():
                async with body.patience():
                    return await _exchange(client, method, url, body, headers=headers, limits=limits)
        except EgressError:
            if body.failure is not None:
                raise body.failure from None
            raise


async def _exchange(
    client: GuardedClient, method: str, url: str | URL, body: "_Body", *, headers: Mapping[str, str], limits: UploadLimits
) -> Answer:
    sent = {**headers, "Content-Length": str(body.size_bytes)}
    data = body if body.size_bytes else b""
    response = await client.send(method, url, data, sent, total_seconds=limits.total_seconds)
    try:
        return Answer(response.status, response.headers, await beginning(response, ANSWER_BYTES, limits.body_seconds))
    finally:
        response.close()


class _Body:
    """The content as the HTTP client reads it. Only one piece is under way at a time."""

    def __init__(self, content: Content, idle_seconds: float) -> None:
        self.size_bytes = content.size_bytes
        self._patience: asyncio.Timeout | None = None
        self.failure: Exception | None = None
        self._chunks = content.chunks
        self._idle_seconds = idle_seconds
        self._left = content.size_bytes
        self._reading = asyncio.Lock()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        async with self._reading:
            self._taken()
            try:
                chunk = await anext(self._chunks, b"")
                self._left -= len(chunk)
                if self._left < 0 or (self._left and not chunk):
                    raise ValueError(f"the content is not of the announced size: {self.size_bytes} bytes")
            except Exception as error:
                self.failure = error
                raise
            self._taken()
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        async with self._reading:  # whoever reads has been cancelled with the request
            if isinstance(self._chunks, AsyncGenerator):
                await self._chunks.aclose()

    @asynccontextmanager
    async def patience(self) -> AsyncIterator[None]:
        """Ends the block with a TimeoutError when the receiver takes nothing for too long."""
        try:
            async with asyncio.timeout(self._idle_seconds) as self._patience:
                yield
        finally:
            self._patience = None

    def _taken(self) -> None:
        """The receiver has taken what came before: its time begins anew."""
        if self._patience is not None and not self._patience.expired():
            self._patience.reschedule(asyncio.get_running_loop().time() + self._idle_seconds)

"""An asynchronous stream as a file that a synchronous SDK can read in its thread."""

import asyncio
from collections.abc import AsyncIterable


class ThreadStream:
    """Made on the event loop; `read` is called in a thread while the loop runs."""

    def __init__(self, chunks: AsyncIterable[bytes]) -> None:
        self._chunks = aiter(chunks)
        self._loop = asyncio.get_running_loop()
        self._held = bytearray()
        self.size_bytes = 0

    def read(self, size: int) -> bytes:
        """`size` bytes, fewer only at the end: the SDK is slow with many small ones."""
        if len(self._held) < size:
            asyncio.run_coroutine_threadsafe(self._gather(size), self._loop).result()
        chunk = bytes(self._held[:size])
        del self._held[:size]
        self.size_bytes += len(chunk)
        return chunk

    async def _gather(self, size: int) -> None:
        async for chunk in self._chunks:
            self._held += chunk
            if len(self._held) >= size:
                return

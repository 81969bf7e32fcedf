"""A request body taken straight from its socket: socket → one reused buffer → file, in the store's threads.

The event loop only waits for readiness, so that any number of slow clients cost no thread; a thread then moves what is
there, up to a quantum, without a Python object per chunk. For plain sockets: with TLS the body is not what the socket holds.
"""

import asyncio
import os
import select
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from libs.object_store.incoming import BUFFER_BYTES, Incoming, thread_buffer

Run = Callable[..., Awaitable[Any]]
"""Does blocking work in a thread and returns only when that is over, even when cancelled."""

QUANTUM_BYTES = 32 * BUFFER_BYTES
"""After so much it is another connection's turn."""
LOW_WATER_BYTES = BUFFER_BYTES // 2
"""From here on a wake-up is worth it (`SO_RCVLOWAT`)."""
PATIENCE_MS = 5
"""How long a thread waits for a client that is only just behind, before it leaves the waiting to the loop."""


class BodyStalledError(Exception):
    """Not one byte came for a long time."""


class SocketBody:
    """What aiohttp has not read yet of `request`'s body. From here on nobody else may read from this connection."""

    def __init__(self, request: web.Request) -> None:
        transport = request.transport
        if transport is None or request.content_length is None:
            raise ConnectionResetError("the client went away")
        self.buffered = b"".join(iter(request.content.read_nowait, b""))
        """What aiohttp had read already."""
        # Draining has started it again. No data can have come in between: the loop has not run.
        transport.pause_reading()
        self._left = request.content_length - len(self.buffered)
        # A duplicate, because the transport may close its own descriptor whenever it likes.
        self._socket = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))

    async def move_to(self, incoming: Incoming, run: Run, idle_seconds: float) -> None:
        """Appends all of it to `incoming`. Raises BodyStalledError, or ConnectionError when the client goes away."""
        if self.buffered:
            await run(incoming.write, self.buffered)
        while self._left:
            moved = await run(self._move, incoming)
            if moved >= QUANTUM_BYTES or not self._left:
                continue
            # A client so slow that it stays below the mark for the whole time has sent something nevertheless.
            if not await self._readable(idle_seconds) and not await run(self._move, incoming):
                raise BodyStalledError

    def close(self) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
        self._socket.close()

    def _move(self, incoming: Incoming) -> int:
        """In a thread: what is there, and what comes while it is busy with that. How many bytes that was."""
        buffer = thread_buffer()
        view = memoryview(buffer)
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        moved = 0
        while self._left and moved < QUANTUM_BYTES:
            try:
                count = self._socket.recv_into(view[: min(len(buffer), self._left)], 0, socket.MSG_DONTWAIT)
            except BlockingIOError:
                self._set_low_water()
                if poll.poll(PATIENCE_MS):
                    continue
                break
            if not count:
                raise ConnectionResetError("the client went away in the middle of the body")
            incoming.write_buffered(buffer, count)
            self._left -= count
            moved += count
        return moved

    def _set_low_water(self) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, min(LOW_WATER_BYTES, self._left))

    async def _readable(self, seconds: float) -> bool:
        """Waits until the socket holds enough, or its end; False when the time is over."""
        loop = asyncio.get_running_loop()
        readable = loop.create_future()
        fd = self._socket.fileno()
        loop.add_reader(fd, lambda: None if readable.done() else readable.set_result(None))
        try:
            async with asyncio.timeout(seconds):
                await readable
        except TimeoutError:
            return False
        finally:
            loop.remove_reader(fd)
        return True


def can_take_over(request: web.Request) -> bool:
    """Whether the body stands on the socket as it is: announced length, no TLS."""
    transport = request.transport
    return (
        request.content_length is not None
        and transport is not None
        and transport.get_extra_info("sslcontext") is None
        and transport.get_extra_info("socket") is not None
    )

"""A request body taken straight from its socket: socket → one reused buffer → file (or parser), in the store's threads.

The event loop only waits for readiness, so that any number of slow clients cost no thread; a thread then moves what is
there, up to a quantum, without a Python object per chunk. For plain sockets: with TLS the body is not what the socket holds.
"""

import asyncio
import os
import select
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Protocol

from aiohttp import web

from libs.object_store.incoming import BUFFER_BYTES, thread_buffer

Run = Callable[..., Awaitable[Any]]
"""Does blocking work in a thread and returns only when that is over, even when cancelled."""

QUANTUM_BYTES = 32 * BUFFER_BYTES
"""After so much it is another connection's turn."""
LOW_WATER_BYTES = BUFFER_BYTES // 2
"""From here on a wake-up is worth it (`SO_RCVLOWAT`)."""
PATIENCE_MS = 5
"""How long a thread waits for a client that is only just behind, before it leaves the waiting to the loop."""


class Taker(Protocol):
    """Where the bytes go: a file, or a parser. Called in threads, never in two at once."""

    def take(self, buffer: bytearray, count: int) -> int:
        """Takes the first `count` bytes of `buffer`. Those that it needs to see again, before what comes next, it moves to the
        front, and returns how many they are: always far fewer than the buffer holds.
        """


class BodyStalledError(Exception):
    """Not one byte came for a long time."""


class SocketBody:
    """What aiohttp has not read yet of `request`'s body. From here on nobody else may read from this connection."""

    def __init__(self, request: web.Request) -> None:
        transport = request.transport
        if transport is None or request.content_length is None:
            raise ConnectionResetError("the client went away")
        self._read_ahead = memoryview(b"".join(iter(request.content.read_nowait, b"")))
        """What aiohttp had read already."""
        self._kept = b""
        """What the taker wants to see again."""
        # Draining has started it again. No data can have come in between: the loop has not run.
        transport.pause_reading()
        self._left = request.content_length
        # A duplicate, because the transport may close its own descriptor whenever it likes.
        self._socket = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))

    async def move_to(self, taker: Taker, run: Run, idle_seconds: float) -> None:
        """Hands all of it to `taker`. Raises BodyStalledError, or ConnectionError when the client goes away."""
        while self._left:
            moved = await run(self._move, taker)
            if moved >= QUANTUM_BYTES or not self._left:
                continue
            # A client so slow that it stays below the mark for the whole time has sent something nevertheless.
            if not await self._readable(idle_seconds) and not await run(self._move, taker):
                raise BodyStalledError

    async def drain(self, run: Run, max_bytes: int, seconds: float) -> None:
        """After a refusal: reads the rest and forgets it, up to `max_bytes` and for a while."""
        self._kept = b""
        self._left = min(self._left, max_bytes)
        with suppress(BodyStalledError, ConnectionError, TimeoutError):
            async with asyncio.timeout(seconds):
                await self.move_to(_Nowhere(), run, seconds)

    def close(self) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
        self._socket.close()

    def _move(self, taker: Taker) -> int:
        """In a thread: what is there, and what comes while it is busy with that. How many bytes that was."""
        buffer = thread_buffer()
        view = memoryview(buffer)
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        moved, kept = 0, len(self._kept)
        buffer[:kept] = self._kept
        while self._left and moved < QUANTUM_BYTES:
            try:
                count = self._receive_into(view[kept : kept + self._left])
            except BlockingIOError:
                self._set_low_water()
                if poll.poll(PATIENCE_MS):
                    continue
                break
            if not count:
                raise ConnectionResetError("the client went away in the middle of the body")
            self._left -= count
            moved += count
            kept = taker.take(buffer, kept + count)
        self._kept = bytes(view[:kept])
        return moved

    def _receive_into(self, view: memoryview) -> int:
        if not self._read_ahead:
            return self._socket.recv_into(view, 0, socket.MSG_DONTWAIT)
        count = min(len(view), len(self._read_ahead))
        view[:count] = self._read_ahead[:count]
        self._read_ahead = self._read_ahead[count:]
        return count

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


class _Nowhere:
    def take(self, _buffer: bytearray, _count: int) -> int:
        return 0


def can_take_over(request: web.Request) -> bool:
    """Whether the body stands on the socket as it is: announced length, no TLS."""
    transport = request.transport
    return (
        request.content_length is not None
        and transport is not None
        and transport.get_extra_info("sslcontext") is None
        and transport.get_extra_info("socket") is not None
    )

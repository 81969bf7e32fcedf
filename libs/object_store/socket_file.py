"""A response body put straight onto its socket: file → socket inside the kernel (`sendfile`), in the store's threads.

The event loop only waits until the socket takes more, so that any number of slow clients cost neither thread nor memory; a
thread then hands over what the socket takes, up to a quantum. It may wait for the disk there: the loop never does. For plain
sockets: with TLS the body is not what the socket carries.
"""

import asyncio
import errno
import os
import select
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from typing import Any

from aiohttp import web

Run = Callable[..., Awaitable[Any]]
"""Does blocking work in a thread and returns only when that is over, even when cancelled."""

QUANTUM_BYTES = 8 * 1024 * 1024
"""After so much it is another connection's turn."""
FAST_BYTES = 512 * 1024
"""Whoever takes so much at once is worth waiting for in the thread, which costs less than another turn."""
PATIENCE_MS = 5
COPY_BYTES = 256 * 1024
_NOT_IN_KERNEL = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})
"""How a file system says that it does not do `sendfile`."""


class ClientStalledError(ConnectionError):
    """The client took not one byte for a long time."""


def on_plain_socket(request: web.Request) -> bool:
    """Whether a response's body can be put onto the socket as it is: no TLS, and a client that is still there."""
    transport = request.transport
    return (
        transport is not None
        and not transport.is_closing()
        and transport.get_extra_info("sslcontext") is None
        and transport.get_extra_info("socket") is not None
    )


@asynccontextmanager
async def file_socket(request: web.Request, response: web.StreamResponse) -> AsyncIterator["FileSocket"]:
    """Sends the head of `response`, whose `Content-Length` is set; the block sends the body. Requires `on_plain_socket`."""
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client went away")
    # A duplicate, because the transport may close its own descriptor whenever it likes.
    duplicate = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))
    with closing(duplicate):
        # With a limit of nothing, `drain` returns when nothing is left in the transport that would come in between.
        transport.set_write_buffer_limits(high=0)
        try:
            writer = await response.prepare(request)
            assert writer is not None
            await writer.drain()
        finally:
            transport.set_write_buffer_limits()
        yield FileSocket(duplicate)


class FileSocket:
    def __init__(self, to: socket.socket) -> None:
        self._socket = to

    async def send(self, file: int, start: int, length: int, run: Run, idle_seconds: float) -> None:
        """`length` bytes of the open file `file` from `start`.

        Raises ConnectionError when the client goes away, or ClientStalledError; EOFError where the file has not so many bytes.
        """
        end = start + length
        while start < end:
            sent = await run(self._send, file, start, end)
            start += sent
            if start < end and sent < QUANTUM_BYTES:
                await self._writable(idle_seconds)

    def _send(self, file: int, start: int, end: int) -> int:
        """In a thread: what the socket takes, and what it takes while that is under way. How many bytes that was."""
        poll = select.poll()
        poll.register(self._socket, select.POLLOUT)
        last = min(end, start + QUANTUM_BYTES)
        at = start
        while at < last:
            try:
                count = self._send_some(file, at, last - at)
            except BlockingIOError:
                if at - start >= FAST_BYTES and poll.poll(PATIENCE_MS):
                    continue
                break
            if not count:
                raise EOFError("the file is shorter than it was")
            at += count
        return at - start

    def _send_some(self, file: int, at: int, length: int) -> int:
        try:
            return os.sendfile(self._socket.fileno(), file, at, length)
        except OSError as error:
            if error.errno not in _NOT_IN_KERNEL:
                raise
        chunk = os.pread(file, min(length, COPY_BYTES), at)
        return self._socket.send(chunk, socket.MSG_DONTWAIT) if chunk else 0

    async def _writable(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        writable = loop.create_future()
        fd = self._socket.fileno()
        loop.add_writer(fd, lambda: None if writable.done() else writable.set_result(None))
        try:
            async with asyncio.timeout(seconds):
                await writable
        except TimeoutError:
            raise ClientStalledError(f"the client took nothing for {seconds:.0f} s") from None
        finally:
            loop.remove_writer(fd)

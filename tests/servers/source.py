"""An HTTP server on loopback that sends what a test tells it to, byte for byte, so that it may also lie and break off."""

import asyncio
import socket
import struct
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, TypeAlias

RESET: Final = "reset"
"""Breaks the connection instead of ending it."""

Step: TypeAlias = bytes | asyncio.Event | str | Callable[[], Iterator[bytes]]
"""Bytes to send, something to wait for, `RESET`, or a source of very many bytes."""


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]
    """Names in lower case."""


@dataclass
class Source:
    host: str
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    scripts: defaultdict[str, list[Sequence[Step]]] = field(default_factory=lambda: defaultdict(list))
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _serving: set[asyncio.Task[None]] = field(default_factory=set)

    def url(self, path: str) -> str:
        return f"http://{self.host}:{self.port}{path}"

    def sends(self, path: str, *steps: Step) -> str:
        """What the next request for `path` gets, the last such for ever; answers its URL."""
        self.scripts[path].append(steps)
        return self.url(path)

    def asked(self, path: str) -> int:
        """How often."""
        return sum(request.path == path for request in self.requests)

    async def until_asked(self, path: str, times: int = 1) -> None:
        while self.asked(path) < times:
            self._arrived.clear()
            await self._arrived.wait()

    def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def close(self) -> None:
        """Breaks off what is still being sent."""
        serving = set(self._serving)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer(reader, writer)
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
            await reader.readexactly(int(headers.get("content-length", 0)))
            request = Request(first.split(" ")[1], headers)
            self.requests.append(request)
            self._arrived.set()
            scripts = self.scripts[request.path]
            await _play(scripts.pop(0) if len(scripts) > 1 else scripts[0], writer)


async def _play(steps: Sequence[Step], writer: asyncio.StreamWriter) -> None:
    for step in steps:
        if isinstance(step, bytes):
            writer.write(step)
            await writer.drain()
        elif isinstance(step, asyncio.Event):
            await step.wait()
        elif step == RESET:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            return
        elif callable(step):
            for piece in step():
                writer.write(piece)
                await writer.drain()


def head(status: str = "200 OK", *headers: str) -> bytes:
    """`head("200 OK", "Content-Length: 5")`."""
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode("latin-1")


def ok(body: bytes, *headers: str) -> bytes:
    """A whole answer with its length."""
    return head("200 OK", f"Content-Length: {len(body)}", *headers) + body


def chunk(piece: bytes) -> bytes:
    """Of a body with `Transfer-Encoding: chunked`; the empty one ends it."""
    return f"{len(piece):x}\r\n".encode() + piece + b"\r\n"


def redirect(location: str, status: str = "302 Found") -> bytes:
    return head(status, f"Location: {location}", "Content-Length: 0")


@asynccontextmanager
async def serving(host: str = "127.0.0.1") -> AsyncIterator[Source]:
    source = Source(host)
    server = await asyncio.start_server(source.serve, host, 0)
    source.port = server.sockets[0].getsockname()[1]
    try:
        yield source
    finally:
        server.close()
        await source.close()

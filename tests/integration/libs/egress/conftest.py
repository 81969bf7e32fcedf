import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest_asyncio

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecret"


@dataclass
class Canary:
    """Listens on one port of 127.0.0.1, ::1 and every other address of this machine, and counts who comes."""

    port: int
    has_ipv6: bool
    connections: int = 0

    async def sing(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(ANSWER)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@pytest_asyncio.fixture
async def canary() -> AsyncIterator[Canary]:
    listener, has_ipv6 = listen()
    bird = Canary(listener.getsockname()[1], has_ipv6)
    server = await asyncio.start_server(bird.sing, sock=listener)
    try:
        yield bird
    finally:
        server.close()


def listen() -> tuple[socket.socket, bool]:
    """Both families on one port; IPv4 alone where the machine has no IPv6."""
    try:
        listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(("::", 0))
    except OSError:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.bind(("0.0.0.0", 0))
        return listener, False
    return listener, True

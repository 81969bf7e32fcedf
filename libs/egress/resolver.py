"""DNS for the guarded client, in threads of its own: slow names of users hold up nobody else's threads."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult

THREADS: Final = 16


class ThreadResolver(AbstractResolver):
    """The operating system's resolver. Nothing is kept: each connection asks again."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="egress-dns")

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        """Raises OSError where the name has no address."""
        loop = asyncio.get_running_loop()
        answers = await loop.run_in_executor(self._threads, socket.getaddrinfo, host, port, family, socket.SOCK_STREAM)
        return [
            ResolveResult(hostname=host, host=str(sockaddr[0]), port=port, family=kind, proto=protocol, flags=0)
            for kind, _type, protocol, _name, sockaddr in answers
        ]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

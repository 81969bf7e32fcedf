"""DNS for addresses that users supply, in threads of its own: slow names hold up nobody else's threads."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from aiohttp.abc import AbstractResolver, ResolveResult

THREADS: Final = 32
"""Names that are asked for at the same time, by one process."""

_threads: Final = ThreadPoolExecutor(THREADS, thread_name_prefix="egress-dns")


async def addresses_of(name: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[Any]:
    """The operating system's answer, as `socket.getaddrinfo` gives it; nothing is kept.

    Not the event loop's `getaddrinfo`: uvloop asks in four threads, which four slow names fill for everybody.
    Raises OSError where the name has no address, UnicodeError where it can be none.
    """
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_threads, socket.getaddrinfo, name, port, family, socket.SOCK_STREAM)


class ThreadResolver(AbstractResolver):
    """For aiohttp's connector: each connection asks again."""

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        """Raises OSError where the name has no address."""
        return [
            ResolveResult(hostname=host, host=str(sockaddr[0]), port=port, family=kind, proto=protocol, flags=0)
            for kind, _type, protocol, _name, sockaddr in await addresses_of(host, port, family)
        ]

    async def close(self) -> None:
        """Its threads are everybody's."""

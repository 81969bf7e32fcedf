"""clamd's protocol, as much of it as scanning a stream takes: INSTREAM and PING, one connection for each.

https://docs.clamav.net/manual/Usage/Scanning.html#clamd and `man 8 clamd`. Plain sockets: clamd says that a stream is too
long and hangs up in the middle of it, and where writing failed a socket still has what was said; asyncio's streams do not.
"""

import asyncio
import socket
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

CONNECT_SECONDS: Final = 5
MAX_ANSWER_BYTES: Final = 4096
END: Final = bytes(4)


class ClamdError(Exception):
    """clamd does not answer, or could not scan; worth another try."""

    code = "scanner_unavailable"


class NotScannableError(Exception):
    """clamd's limits do not let it scan all of this."""

    code = "too_large_to_scan"


@dataclass(frozen=True)
class Clamd:
    """A `libs.runtime.service.Resource`: a service starts without it, and is not ready until it answers."""

    family: socket.AddressFamily
    address: tuple[str, int] | str
    """Host and port, or the path of a Unix socket."""
    seconds: float
    """How long clamd may take to read a chunk or to scan what it has read."""

    @classmethod
    def from_url(cls, url: str, *, seconds: float) -> "Clamd":
        """`tcp://host:3310` or `unix:///run/clamav/clamd.ctl`. Raises ValueError."""
        parts = urlsplit(url)
        if parts.scheme == "unix" and parts.path and not parts.netloc:
            return cls(socket.AF_UNIX, parts.path, seconds)
        with suppress(ValueError):  # of a port that is no number
            if parts.scheme == "tcp" and parts.hostname and not parts.path.strip("/"):
                return cls(socket.AF_UNSPEC, (parts.hostname, parts.port or 3310), seconds)
        raise ValueError("LONGSHORE_CLAMD_URL must be tcp://host:port or unix:///path")

    async def scan(self, content: AsyncIterable[bytes]) -> str | None:
        """The name of the virus that was found; None: clamd has read everything and found nothing.

        Raises ClamdError or NotScannableError, and whatever `content` raises.
        """
        async with self._connected() as connection:
            is_complete = await _send_stream(connection, content)
            virus = virus_in(await connection.answer())
        if virus is None and not is_complete:
            raise ClamdError("it hung up before it had read everything")
        return virus

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def check(self) -> None:
        """Raises ClamdError."""
        async with self._connected() as connection:
            await connection.send(b"zPING\0")
            if (answer := await connection.answer()) != "PONG":
                raise ClamdError(answer)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator["Connection"]:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                connected = await self._connect()
        except (OSError, TimeoutError) as error:
            raise ClamdError(f"no connection: {error or 'timeout'}") from error
        with connected:
            yield Connection(connected, self.seconds)

    async def _connect(self) -> socket.socket:
        """To the first address of the host that answers."""
        failure: OSError = OSError("the name has no address")
        for family, address in await self._addresses():
            candidate = socket.socket(family, socket.SOCK_STREAM)
            try:
                candidate.setblocking(False)
                await asyncio.get_running_loop().sock_connect(candidate, address)
                return candidate
            except OSError as error:
                candidate.close()
                failure = error
            except BaseException:
                candidate.close()
                raise
        raise failure

    async def _addresses(self) -> list[tuple[int, Any]]:
        if isinstance(self.address, str):
            return [(self.family, self.address)]
        host, port = self.address
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return [(family, address) for family, _, _, _, address in found]


@dataclass(frozen=True)
class Connection:
    socket: socket.socket
    seconds: float

    async def send(self, data: bytes) -> bool:
        """False where clamd has hung up; its answer may say why. Raises ClamdError."""
        try:
            async with asyncio.timeout(self.seconds):
                await asyncio.get_running_loop().sock_sendall(self.socket, data)
        except TimeoutError as error:
            raise ClamdError(f"it read nothing for {self.seconds:g} s") from error
        except OSError:
            return False
        return True

    async def answer(self) -> str:
        """One answer, without its final NUL. Raises ClamdError where not all of it comes."""
        answer = b""
        try:
            async with asyncio.timeout(self.seconds):
                while not answer.endswith(b"\0") and len(answer) < MAX_ANSWER_BYTES:
                    received = await asyncio.get_running_loop().sock_recv(self.socket, MAX_ANSWER_BYTES)
                    if not received:
                        break
                    answer += received
        except TimeoutError as error:
            raise ClamdError(f"no answer within {self.seconds:g} s") from error
        except OSError as error:
            raise ClamdError(f"it hung up: {error}") from error
        if not answer.endswith(b"\0"):
            raise ClamdError("it hung up without an answer")
        return answer[:-1].decode("utf-8", "replace").strip()


async def _send_stream(connection: Connection, content: AsyncIterable[bytes]) -> bool:
    """False where clamd hung up before the end."""
    if not await connection.send(b"zINSTREAM\0"):
        return False
    async for chunk in content:
        # A chunk of no bytes would be the end of the stream: what follows it would not be scanned.
        if chunk and not await connection.send(len(chunk).to_bytes(4) + chunk):
            return False
    return await connection.send(END)


def virus_in(answer: str) -> str | None:
    """`stream: OK` → None, `stream: Eicar-Test FOUND` → `Eicar-Test`. Raises ClamdError or NotScannableError.

    With `AlertExceedsMax` clamd also calls that a find which it did not look into any further.
    """
    if answer == "stream: OK":
        return None
    if answer.startswith("stream: ") and answer.endswith(" FOUND"):
        name = answer.removeprefix("stream: ").removesuffix(" FOUND")
        if name.startswith("Heuristics.Limits.Exceeded"):
            raise NotScannableError(name)
        return name
    if answer.startswith("INSTREAM size limit exceeded"):
        raise NotScannableError(answer)
    raise ClamdError(answer[:200])

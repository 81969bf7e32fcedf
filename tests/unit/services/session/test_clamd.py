"""clamd's protocol against a clamd that says what the test wants. # U-45"""

import asyncio
import struct
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from socket import AF_INET, AF_UNIX, AF_UNSPEC, SO_LINGER, SOL_SOCKET, socket

import pytest

from services.session.adapters.clamd import Clamd, ClamdError, NotScannableError, virus_in

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

MIB = 1 << 20


class FakeClamd:
    """Reads a command and a whole stream, then sends `answer` piece by piece and hangs up."""

    def __init__(self, *answer: bytes) -> None:
        self.answer = answer
        self.command = b""
        self.chunks: list[bytes] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.command = await reader.readuntil(b"\0")
        if self.command == b"zINSTREAM\0":
            while size := int.from_bytes(await reader.readexactly(4)):
                self.chunks.append(await reader.readexactly(size))
        for piece in self.answer:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)


@asynccontextmanager
async def running(talk: Talk, *, seconds: float = 10) -> AsyncIterator[Clamd]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield Clamd.from_url(f"tcp://127.0.0.1:{port}", seconds=seconds)
    finally:
        server.close()
        await server.wait_closed()


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def reset(writer: asyncio.StreamWriter) -> None:
    """Ends the connection at once, with RST instead of FIN."""
    writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@pytest.mark.parametrize(
    ("answer", "virus"),
    [
        ((b"stream: OK\0",), None),
        ((b"str", b"eam: O", b"K", b"\0"), None),
        ((b"stream: Win.Test.EICAR_HDB-1 FOUND\0",), "Win.Test.EICAR_HDB-1"),
        (tuple(bytes([byte]) for byte in b"stream: A Name {in} words FOUND\0"), "A Name {in} words"),
    ],
    ids=["clean", "fragments", "infected", "bytes"],
)
async def test_an_answer_is_understood_in_whatever_pieces_it_comes(answer: tuple[bytes, ...], virus: str | None) -> None:
    fake = FakeClamd(*answer)
    async with running(fake.talk) as clamd:
        assert await clamd.scan(stream(b"some ", b"bytes")) == virus

    assert fake.command == b"zINSTREAM\0"
    assert fake.chunks == [b"some ", b"bytes"]


async def test_an_empty_chunk_does_not_end_the_stream() -> None:
    fake = FakeClamd(b"stream: OK\0")
    async with running(fake.talk) as clamd:
        await clamd.scan(stream(b"a", b"", b"b"))

    assert fake.chunks == [b"a", b"b"]


async def test_an_empty_file_is_an_empty_stream() -> None:
    fake = FakeClamd(b"stream: OK\0")
    async with running(fake.talk) as clamd:
        assert await clamd.scan(stream()) is None

    assert fake.chunks == []


@pytest.mark.parametrize(
    "answer",
    [
        b"INSTREAM: Can't create temporary file ERROR\0",
        b"stream: Can't allocate memory ERROR\0",
        b"stream: OK",
        b"stream: O",
        b"",
        b"\0",
        b"COMMAND READ TIMED OUT\0",
        b"OK\0",
        b"x" * 10_000 + b"\0",
    ],
    ids=lambda answer: answer[:24].decode() or "nothing",
)
async def test_whatever_is_no_clear_verdict_is_a_failure(answer: bytes) -> None:
    async with running(FakeClamd(answer).talk) as clamd:
        with pytest.raises(ClamdError):
            await clamd.scan(stream(b"bytes"))


@pytest.mark.parametrize("is_reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("after", ["connection", "command", "chunk", "half an answer"])
async def test_a_cut_connection_is_a_failure(after: str, is_reset: bool) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if after != "connection":
            await reader.readuntil(b"\0")
        if after == "chunk":
            await reader.readexactly(1000)
        if after == "half an answer":
            writer.write(b"stream: ")
            await writer.drain()
        if is_reset:
            reset(writer)

    async with running(cut) as clamd:
        with pytest.raises(ClamdError):
            await clamd.scan(stream(*[bytes(MIB)] * 20))


async def test_a_stream_that_is_too_long_is_told_from_a_failure_although_clamd_hangs_up_in_its_middle() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1000)
        writer.write(b"INSTREAM size limit exceeded. ERROR\0")
        await writer.drain()  # the rest is never read, so that the end of the connection is an error for the sender

    async with running(refuse) as clamd:
        with pytest.raises(NotScannableError):
            await clamd.scan(stream(*[bytes(MIB)] * 20))


async def test_a_clean_verdict_on_half_a_stream_is_none() -> None:
    async def guess(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1000)
        writer.write(b"stream: OK\0")
        await writer.drain()

    async with running(guess) as clamd:
        with pytest.raises(ClamdError, match="before it had read everything"):
            await clamd.scan(stream(*[bytes(MIB)] * 20))


async def test_memory_does_not_grow_with_the_file() -> None:
    received = 0

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        while received < 200 * (MIB + 4) + len(b"zINSTREAM\0") + 4:
            received += len(await reader.read(MIB))
        writer.write(b"stream: OK\0")

    async def large() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield bytes(MIB)

    async with running(swallow) as clamd:
        tracemalloc.start()
        try:
            assert await clamd.scan(large()) is None
            assert tracemalloc.get_traced_memory()[1] < 16 * MIB
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("reads", [True, False], ids=["no answer", "no reading"])
async def test_a_clamd_that_hangs_is_a_failure(reads: bool) -> None:
    ended = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        while reads and await reader.read(MIB):
            pass
        await ended.wait()

    async with running(hang, seconds=0.2) as clamd:
        with pytest.raises(ClamdError, match=r"0\.2 s"):
            await clamd.scan(stream(*[bytes(MIB)] * 20))
        ended.set()


async def test_what_the_content_raises_is_not_taken_for_clamds_fault() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"some"
        raise ConnectionResetError("the store")

    async with running(FakeClamd(b"stream: OK\0").talk) as clamd:
        with pytest.raises(ConnectionResetError, match="the store"):
            await clamd.scan(broken())


async def test_nobody_listening_is_a_failure(tmp_path: Path) -> None:
    with socket(AF_INET) as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        for url in (f"tcp://127.0.0.1:{port}", f"unix://{tmp_path}/missing.sock", "tcp://name.invalid:3310"):
            with pytest.raises(ClamdError):
                await Clamd.from_url(url, seconds=1).check()


async def test_readiness_is_a_ping() -> None:
    fake = FakeClamd(b"PO", b"NG\0")
    async with running(fake.talk) as clamd:
        await clamd.check()

    assert fake.command == b"zPING\0"
    async with running(FakeClamd(b"no\0").talk) as clamd:
        with pytest.raises(ClamdError):
            await clamd.check()


async def test_a_unix_socket_will_do(tmp_path: Path) -> None:
    fake = FakeClamd(b"stream: OK\0")

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await fake.talk(reader, writer)
        writer.close()

    server = await asyncio.start_unix_server(handle, tmp_path / "clamd.sock")
    async with server:
        assert await Clamd.from_url(f"unix://{tmp_path}/clamd.sock", seconds=5).scan(stream(b"bytes")) is None
    assert fake.chunks == [b"bytes"]


@pytest.mark.parametrize(
    ("url", "family", "address"),
    [
        ("tcp://clamav:3310", AF_UNSPEC, ("clamav", 3310)),
        ("tcp://clamav", AF_UNSPEC, ("clamav", 3310)),
        ("tcp://[::1]:99/", AF_UNSPEC, ("::1", 99)),
        ("unix:///run/clamav/clamd.ctl", AF_UNIX, "/run/clamav/clamd.ctl"),
    ],
)
def test_addresses(url: str, family: int, address: object) -> None:
    clamd = Clamd.from_url(url, seconds=1)

    assert (clamd.family, clamd.address) == (family, address)


@pytest.mark.parametrize(
    "url", ["", "clamav:3310", "http://clamav:3310", "tcp://", "tcp://a:b", "unix://run/clamd.sock", "unix://"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="LONGSHORE_CLAMD_URL must be"):
        Clamd.from_url(url, seconds=1)


@pytest.mark.parametrize("limit", ["MaxFileSize", "MaxScanTime"])
def test_an_alert_about_clamds_own_limits_names_no_virus(limit: str) -> None:
    with pytest.raises(NotScannableError):
        virus_in(f"stream: Heuristics.Limits.Exceeded.{limit} FOUND")

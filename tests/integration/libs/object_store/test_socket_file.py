"""Files put straight onto a socket: every piece of them, and clients that are slow, that stop, or that go away."""

import asyncio
import errno
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from libs.object_store.socket_file import QUANTUM_BYTES, ClientStalledError
from tests.integration.libs.object_store import file_server
from tests.integration.libs.object_store.file_server import BODY_BYTES, slow_client

BODY = os.urandom(1024 * 1024) * 24 + b"the end"
Served = tuple[int, list[Exception]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "body").write_bytes(BODY)
    return tmp_path


@pytest_asyncio.fixture
async def served(folder: Path) -> AsyncIterator[Served]:
    async with file_server.running(folder) as served:
        yield served


async def eventually(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


def asking(start: int, length: int) -> bytes:
    return f"GET /{start}/{length} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


async def received(reader: asyncio.StreamReader, length: int) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert f"Content-Length: {length}\r\n".encode() in head
    return await reader.readexactly(length)


def descriptors_of(path: Path) -> int:
    """How often this process has `path` open."""
    count = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            count += descriptor.readlink() == path
    return count


@pytest.mark.parametrize(
    ("start", "length"),
    [
        (0, BODY_BYTES),
        (0, 1),
        (BODY_BYTES - 1, 1),
        (1_000_003, 2_000_001),
        (5, QUANTUM_BYTES),
        (0, QUANTUM_BYTES + 1),
        (7, BODY_BYTES - 7),
    ],
)
async def test_any_piece_arrives_as_it_is_and_the_connection_serves_another(served: Served, start: int, length: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served[0])
    for _ in range(2):
        writer.write(asking(start, length))
        assert await received(reader, length) == BODY[start : start + length]
    writer.close()
    assert served[1] == []


async def test_a_file_system_without_sendfile_is_read(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_arguments: int) -> int:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "sendfile", unsupported)
    reader, writer = await asyncio.open_connection("127.0.0.1", served[0])
    writer.write(asking(5, BODY_BYTES - 5))
    assert await received(reader, BODY_BYTES - 5) == BODY[5:]
    writer.write(asking(0, BODY_BYTES + 1))
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await received(reader, BODY_BYTES + 1)
    writer.close()
    assert [type(error) for error in served[1]] == [EOFError]


async def test_requests_sent_ahead_are_answered_in_their_order(served: Served) -> None:
    pieces = [(0, 3_000_000), (10, 20), (2_000_000, 1_500_000)]
    reader, writer = await asyncio.open_connection("127.0.0.1", served[0])
    writer.write(b"".join(asking(start, length) for start, length in pieces))
    for start, length in pieces:
        assert await received(reader, length) == BODY[start : start + length]
    writer.close()


async def test_a_client_that_takes_little_at_a_time_gets_all(served: Served) -> None:
    with slow_client(served[0], 3_000_000) as client:
        client.setblocking(False)
        got = b""
        loop = asyncio.get_running_loop()
        while len(got) < 3_000_000 or len(got.partition(b"\r\n\r\n")[2]) < 3_000_000:
            got += await loop.sock_recv(client, 20_000)
    assert got.partition(b"\r\n\r\n")[2] == BODY[:3_000_000]


async def test_a_client_that_hangs_up_leaves_nothing_open(served: Served, folder: Path) -> None:
    client = slow_client(served[0], BODY_BYTES)
    await eventually(lambda: descriptors_of(folder / "body"))
    client.close()
    await eventually(lambda: not descriptors_of(folder / "body"))
    assert [isinstance(error, ConnectionError) for error in served[1]] == [True]


async def test_a_client_that_takes_nothing_for_a_long_time_is_given_up(folder: Path) -> None:
    async with file_server.running(folder, idle_seconds=0.2) as (port, errors):
        with slow_client(port, BODY_BYTES):
            await eventually(lambda: errors)
            assert isinstance(errors[0], ClientStalledError)
            await eventually(lambda: not descriptors_of(folder / "body"))


async def test_a_file_that_has_become_shorter_ends_the_connection(served: Served, folder: Path) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served[0])
    writer.write(asking(0, BODY_BYTES + 1))
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await received(reader, BODY_BYTES + 1)
    writer.close()
    assert [type(error) for error in served[1]] == [EOFError]


async def test_a_stop_does_not_wait_for_slow_clients(folder: Path) -> None:
    async with file_server.running(folder) as (port, _):
        client = slow_client(port, BODY_BYTES)
        await eventually(lambda: descriptors_of(folder / "body"))
    assert not descriptors_of(folder / "body")
    client.close()


def test_many_slow_clients_take_no_memory_and_hold_up_nobody(folder: Path) -> None:
    command = [sys.executable, "-m", "tests.integration.libs.object_store.file_server", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[4]) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            asyncio.run(_read_all(port))
            before = _peak_bytes(process.pid)
            slow = [slow_client(port, BODY_BYTES) for _ in range(40)]
            asyncio.run(_read_all(port))
            assert _peak_bytes(process.pid) - before < BODY_BYTES // 3
            for client in slow:
                client.close()
        finally:
            process.kill()


async def _read_all(port: int) -> None:
    async with asyncio.timeout(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(asking(0, BODY_BYTES))
        assert await received(reader, BODY_BYTES) == BODY
        writer.close()


def _peak_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024

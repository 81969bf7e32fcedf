"""The disk store's upload URLs at the level of the socket: clients that stop, stall, ask first, or send nonsense."""

import asyncio
import hashlib
import os
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.integration.libs.object_store import disk_server
from tests.integration.libs.object_store.disk_server import Disk, request_head

MIB = 1024 * 1024
SMALL, LARGE = 100_000, 3 * MIB
KEY = "staging/1/token"


@pytest_asyncio.fixture
async def disk(tmp_path: Path) -> AsyncIterator[Disk]:
    async with disk_server.running(tmp_path / "store") as disk:
        yield disk


async def connect(disk: Disk) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = disk.runner.addresses[0][:2]
    return await asyncio.open_connection(host, port)


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], str]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    status, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return int(status.split()[1]), headers, body.decode()


async def send(disk: Disk, head: bytes, body: bytes) -> tuple[int, dict[str, str], str]:
    reader, writer = await connect(disk)
    try:
        writer.write(head + body)
        return await answer(reader)
    finally:
        writer.close()
        await writer.wait_closed()


async def eventually(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def stored(disk: Disk, key: str = KEY) -> bytes:
    return b"".join([chunk async for chunk in disk.store.read(key)])


def open_descriptors(disk: Disk) -> list[str]:
    """Sockets and files of the store that this process has open."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            name = str(descriptor.readlink())
            if name.startswith(("socket:", str(disk.root))):
                found.append(name)
    return found


@pytest.mark.parametrize("size", [0, 1, SMALL, 256 * 1024, 256 * 1024 + 1, LARGE, 40 * MIB + 7])
async def test_a_body_of_any_size_is_stored_and_announced(disk: Disk, size: int) -> None:
    body = os.urandom(size)
    status, headers, text = await send(disk, disk.head(KEY, size), body)
    assert (status, text) == (200, "")
    found = await disk.store.stat(KEY)
    assert found is not None
    assert headers["etag"] == f'"{found.etag}"'
    assert hashlib.sha256(await stored(disk)).digest() == hashlib.sha256(body).digest()
    await eventually(lambda: disk.notices)
    [record] = disk.notices[0]["Records"]
    assert record["eventName"] == "ObjectCreated:Put"
    assert record["s3"]["object"]["key"] == KEY
    assert record["s3"]["object"]["size"] == size
    assert record["s3"]["object"]["eTag"] == found.etag


async def test_a_body_that_trickles_in_is_stored(disk: Disk) -> None:
    body = os.urandom(700_000)
    reader, writer = await connect(disk)
    writer.write(disk.head(KEY, len(body)))
    for start in range(0, len(body), 50_000):
        writer.write(body[start : start + 50_000])
        await writer.drain()
        await asyncio.sleep(0)
    assert (await answer(reader))[0] == 200
    writer.close()
    assert await stored(disk) == body


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_a_client_that_leaves_in_the_middle_leaves_nothing(disk: Disk, size: int) -> None:
    _reader, writer = await connect(disk)
    writer.write(disk.head(KEY, size) + bytes(size - 1))
    await writer.drain()
    await eventually(lambda: disk.store._receiving)
    writer.close()
    await eventually(lambda: not disk.store._receiving)
    assert not disk.files()
    assert await disk.store.stat(KEY) is None
    assert not disk.notices


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_a_client_that_stalls_is_dropped(tmp_path: Path, size: int) -> None:
    async with disk_server.running(tmp_path / "store", idle_seconds=0.2) as disk:
        reader, writer = await connect(disk)
        writer.write(disk.head(KEY, size) + bytes(size - 1))
        status, _headers, text = await answer(reader)
        assert status == 400
        assert "<Code>RequestTimeout</Code>" in text
        assert not disk.files()
        writer.close()


async def test_a_slow_client_that_keeps_sending_is_not_dropped(tmp_path: Path) -> None:
    async with disk_server.running(tmp_path / "store", idle_seconds=0.5) as disk:
        body = os.urandom(400_000)
        reader, writer = await connect(disk)
        writer.write(disk.head(KEY, len(body)))
        for start in range(0, len(body), 40_000):
            writer.write(body[start : start + 40_000])
            await asyncio.sleep(0.1)  # slowness is what is tested
        assert (await answer(reader))[0] == 200
        writer.close()
        assert await stored(disk) == body


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_a_client_that_asks_first_is_told_to_go_on(disk: Disk, size: int) -> None:
    reader, writer = await connect(disk)
    writer.write(disk.head(KEY, size, "Expect: 100-continue"))
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(bytes(size))
    assert (await answer(reader))[0] == 200
    writer.close()


async def test_a_client_that_asks_first_is_refused_before_it_sends(disk: Disk) -> None:
    reader, writer = await connect(disk)
    writer.write(disk.head(KEY, LARGE, "Expect: 100-continue").replace(b"X-Amz-Expires=300", b"X-Amz-Expires=301"))
    status, _headers, text = await answer(reader)
    assert status == 403
    assert "<Code>SignatureDoesNotMatch</Code>" in text
    writer.close()


async def test_a_connection_is_good_for_several_small_bodies(disk: Disk) -> None:
    reader, writer = await connect(disk)
    for number in range(3):
        writer.write(disk.head(f"staging/{number}/a", SMALL) + bytes(SMALL))
        assert (await answer(reader))[0] == 200
    writer.close()


async def test_a_chunked_body_is_stored_where_no_length_is_bound(tmp_path: Path) -> None:
    async with disk_server.running(tmp_path / "store", max_bytes=MIB) as disk:
        url = disk.store.presign_put(KEY, expires_in=timedelta(minutes=5), headers={})
        head = request_head(url, "Transfer-Encoding: chunked")
        chunk = b"80000\r\n" + bytes(512 * 1024) + b"\r\n"
        assert (await send(disk, head, chunk * 2 + b"0\r\n\r\n"))[0] == 200
        assert len(await stored(disk)) == MIB
        status, _headers, text = await send(disk, head, chunk * 2 + b"1\r\n!\r\n0\r\n\r\n")
        assert (status, "EntityTooLarge" in text) == (400, True)
        status, _headers, text = await send(disk, disk.head(KEY, MIB + 1), b"")
        assert (status, "EntityTooLarge" in text) == (400, True)
        assert len(await stored(disk)) == MIB


@pytest.mark.parametrize(
    ("headers", "body", "status", "code"),
    [
        ([], b"", 411, "MissingContentLength"),
        (["Content-Length: 4", "Content-Encoding: gzip"], b"body", 501, "NotImplemented"),
    ],
)
async def test_what_cannot_be_stored_is_refused(disk: Disk, headers: list[str], body: bytes, status: int, code: str) -> None:
    url = disk.store.presign_put(KEY, expires_in=timedelta(minutes=5), headers={})
    got, _headers, text = await send(disk, request_head(url, *headers), body)
    assert (got, f"<Code>{code}</Code>" in text) == (status, True)
    assert not disk.files()


async def test_a_browser_may_ask_and_read_the_etag(disk: Disk) -> None:
    url = disk.store.presign_put(KEY, expires_in=timedelta(minutes=5), headers={"x-amz-meta-a": "b"})
    ask = [
        "Origin: https://app.example.com",
        "Access-Control-Request-Method: PUT",
        "Access-Control-Request-Headers: content-type,x-amz-meta-a",
    ]
    status, headers, _text = await send(disk, request_head(url, *ask).replace(b"PUT ", b"OPTIONS ", 1), b"")
    assert status == 200
    assert headers["access-control-allow-origin"] == "*"
    assert headers["access-control-allow-methods"] == "PUT"
    assert headers["access-control-allow-headers"] == "content-type,x-amz-meta-a"
    for value in ("b", "c"):
        sent = request_head(url, f"x-amz-meta-a: {value}", "Content-Length: 1", "Origin: https://app.example.com")
        _status, headers, _text = await send(disk, sent, b"1")
        assert headers["access-control-allow-origin"] == "*"
        assert headers["access-control-expose-headers"] == "ETag"


async def test_eight_uploads_at_once_are_stored_and_leave_nothing_open(disk: Disk) -> None:
    bodies = [os.urandom(8 * MIB) for _ in range(8)]
    assert (await send(disk, disk.head(KEY, LARGE), bytes(LARGE)))[0] == 200
    before = len(open_descriptors(disk))
    answers = await asyncio.gather(*[send(disk, disk.head(f"staging/{n}/a", 8 * MIB), body) for n, body in enumerate(bodies)])
    assert [status for status, _headers, _text in answers] == [200] * 8
    for number, body in enumerate(bodies):
        assert await stored(disk, f"staging/{number}/a") == body
    await eventually(lambda: len(open_descriptors(disk)) <= before)


async def test_more_slow_clients_than_threads_do_not_stop_a_quick_one(disk: Disk) -> None:
    slow = [await connect(disk) for _ in range(20)]
    for number, (_reader, writer) in enumerate(slow):
        writer.write(disk.head(f"staging/slow/{number}", LARGE) + bytes(LARGE - 1))
        await writer.drain()
    async with asyncio.timeout(10):
        assert (await send(disk, disk.head(KEY, LARGE), bytes(LARGE)))[0] == 200
    for reader, writer in slow:
        writer.write(b"!")
        assert (await answer(reader))[0] == 200
        writer.close()


async def test_stopping_the_server_ends_an_upload_and_frees_what_it_held(tmp_path: Path) -> None:
    async with disk_server.running(tmp_path / "store") as disk:
        assert (await send(disk, disk.head("warm/up", LARGE), bytes(LARGE)))[0] == 200
        await disk.store.delete(["warm/up"])
        await eventually(lambda: not disk.files())
        before = len(open_descriptors(disk))
        _reader, writer = await connect(disk)
        writer.write(disk.head(KEY, LARGE) + bytes(LARGE - 1))
        await writer.drain()
        await eventually(disk.files)
    assert not disk.files()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("disk-store")]
    writer.close()
    await eventually(lambda: len(open_descriptors(disk)) < before)


async def test_a_failing_notification_does_not_fail_the_upload(tmp_path: Path) -> None:
    told = asyncio.Event()

    async def fail(_notice: dict[str, Any]) -> None:
        told.set()
        raise RuntimeError("nobody listens")

    async with disk_server.running(tmp_path / "store", notify=fail) as disk:
        assert (await send(disk, disk.head(KEY, 4), b"body"))[0] == 200
        async with asyncio.timeout(5):
            await told.wait()
        assert await stored(disk) == b"body"


async def test_a_server_killed_in_the_middle_has_nothing_to_show_and_cleans_up(tmp_path: Path) -> None:
    with disk_server.process(tmp_path / "store") as server:
        url = server.store.presign_put(KEY, expires_in=timedelta(minutes=5), headers={}, content_length=LARGE)
        _reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request_head(url, f"Content-Length: {LARGE}") + bytes(LARGE - 1))
        await writer.drain()
        await eventually(lambda: any((tmp_path / "store" / "tmp").iterdir()))
        server.kill()
        writer.close()
    assert any((tmp_path / "store" / "tmp").iterdir())
    async with disk_server.running(tmp_path / "store") as disk:
        assert await disk.store.stat(KEY) is None
        assert not disk.files()


async def test_memory_stays_flat_however_long_the_body(tmp_path: Path) -> None:
    chunk = os.urandom(MIB)
    with disk_server.process(tmp_path / "store") as server:

        async def upload(mebibytes: int) -> None:
            length = mebibytes * MIB
            url = server.store.presign_put(KEY, expires_in=timedelta(minutes=5), headers={}, content_length=length)
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(request_head(url, f"Content-Length: {length}"))
            for _ in range(mebibytes):
                writer.write(chunk)
                await writer.drain()
            assert (await answer(reader))[0] == 200
            writer.close()

        await upload(1)
        before = server.peak_bytes()
        await upload(512)
        assert server.peak_bytes() - before < 16 * MIB


def self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    unsigned = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
    certificate = unsigned.sign(key, hashes.SHA256())
    (folder / "certificate").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "certificate", folder / "key")
    return context


async def test_a_body_inside_tls_is_not_taken_from_the_socket(disk: Disk, tmp_path: Path) -> None:
    site = web.TCPSite(disk.runner, "127.0.0.1", 0, ssl_context=self_signed(tmp_path))
    await site.start()
    trusting = ssl.create_default_context(cafile=tmp_path / "certificate")
    trusting.check_hostname = False
    body = os.urandom(LARGE)
    reader, writer = await asyncio.open_connection("127.0.0.1", disk.runner.addresses[-1][1], ssl=trusting)
    writer.write(disk.head(KEY, LARGE) + body)
    assert (await answer(reader))[0] == 200
    assert await stored(disk) == body
    writer.close()

"""Forms over real sockets, on both stores and on every way that a body takes: from the socket, by the reader, in chunks."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from libs.object_store import disk_change, incoming
from libs.object_store.port import ObjectStore
from libs.object_store.s3 import S3Store
from libs.web import form
from libs.web.form import DEFAULT_FILE_TYPE, MAX_READ_BYTES, Field, FilePart, FormLimits
from tests.integration.libs.web import form_server
from tests.integration.libs.web.form_server import BOUNDARY, END, FormServer, chunked, field, file, head
from tests.servers import s3

MIB = 1024 * 1024
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}".encode()
SMALL, LARGE = 50_000, 3 * MIB
LIMITS = FormLimits(body_bytes=20 * MIB, files=3, file_bytes=8 * MIB, fields=5, value_bytes=100, name_bytes=60, idle_seconds=20)


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def refusal(self) -> tuple[int, str]:
        return self.status, self.body["code"]


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with s3.running(tmp_path_factory.mktemp("s3")) as url:
        yield url


@pytest.fixture(params=["disk", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "disk":
        return form_server.disk(tmp_path / "store")
    return S3Store.from_url(s3.bucket_url(request.getfixturevalue("s3_server")))


@pytest_asyncio.fixture
async def server(store: ObjectStore) -> AsyncIterator[FormServer]:
    async with form_server.running(store, LIMITS) as server:
        yield server


@pytest_asyncio.fixture
async def disk(tmp_path: Path) -> AsyncIterator[FormServer]:
    async with form_server.running(form_server.disk(tmp_path / "store"), LIMITS) as server:
        yield server


async def connect(server: FormServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", server.port)


async def answer(reader: asyncio.StreamReader) -> Reply:
    status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return Reply(int(status.split()[1]), headers, json.loads(await reader.readexactly(int(headers["content-length"]))))


async def send(server: FormServer, *pieces: bytes) -> Reply:
    reader, writer = await connect(server)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return await answer(reader)
    finally:
        writer.close()


async def post(server: FormServer, body: bytes, framing: str = "length", **options: str) -> Reply:
    if framing == "chunked":
        return await send(server, head(None, **options), chunked(body))
    return await send(server, head(len(body), **options), body)


async def eventually(condition: Callable[[], Awaitable[Any]]) -> None:
    async with asyncio.timeout(20):
        while not await condition():
            await asyncio.sleep(0.01)


def files_of(root: Path) -> list[Path]:
    return [Path(folder, name) for folder, _folders, names in os.walk(root) for name in names]  # which may vanish meanwhile


framings = pytest.mark.parametrize("framing", ["length", "chunked"])
sizes = pytest.mark.parametrize("size", [SMALL, LARGE])


# U-06, U-10: files under any names, several of them, in any order with text fields
@framings
@sizes
async def test_files_and_fields_in_any_order_are_received(server: FormServer, framing: str, size: int) -> None:
    first, second = os.urandom(size), os.urandom(10)
    body = file("file", "a.mp4", first) + field("a", "1") + file("фото.jpg", "фото%22.jpg", second, "image/jpeg")
    body += field("a", "2") + field("ключ", "значение") + file("empty", "", b"", "x") + END
    reply = await post(server, body, framing, path="/files?a=0")
    assert reply.status == 200
    assert reply.body["fields"] == [["a", "0"], ["a", "1"], ["a", "2"], ["ключ", "значение"]]
    received = reply.body["files"]
    named = [(found["field"], found["filename"], found["content_type"], found["size_bytes"]) for found in received]
    assert named == [
        ("file", "a.mp4", "video/mp4", size),
        ("фото.jpg", 'фото".jpg', "image/jpeg", 10),
        ("empty", "", "x", 0),
    ]
    assert [await server.content(found["key"]) for found in received] == [first, second, b""]
    stored = await server.store.stat(received[1]["key"])
    assert stored is not None
    assert stored.content_type == "image/jpeg"


async def test_a_type_that_no_header_has_room_for_is_not_stored(server: FormServer) -> None:
    reply = await post(server, file("file", "a", b"content", f"text/{'x' * 15_000}") + END)
    assert reply.status == 200
    stored = await server.store.stat(reply.body["files"][0]["key"])
    assert stored is not None
    assert stored.content_type == DEFAULT_FILE_TYPE


async def test_a_file_that_looks_like_boundaries_is_stored_as_it_is(server: FormServer) -> None:
    content = (b"\r\n--" + BOUNDARY.encode()[:-1] + b"\r\r\n-") * 30_000
    reply = await post(server, file("file", "a", content) + END)
    assert reply.status == 200
    assert await server.content(reply.body["files"][0]["key"]) == content


@pytest.mark.parametrize("step", [1, 7, 1000])
async def test_a_slow_client_is_understood(disk: FormServer, step: int) -> None:
    """The last bytes, with all boundaries, come a few at a time."""
    content = os.urandom(LARGE)
    body = file("file", "a", content) + file("more", "b", b"12") + field("key", "value") + END
    tail = len(body) - LARGE
    reader, writer = await connect(disk)
    writer.write(head(len(body)) + body[:-tail])
    for start in range(len(body) - tail, len(body), step):
        writer.write(body[start : start + step])
        await writer.drain()
        await asyncio.sleep(0)
    reply = await answer(reader)
    writer.close()
    assert reply.body["fields"] == [["key", "value"]]
    assert [await disk.content(found["key"]) for found in reply.body["files"]] == [content, b"12"]


# U-E14, U-E16, U-E17, U-E21, U-E22, U-E47: what a form must not be
@framings
@sizes
@pytest.mark.parametrize(
    ("parts", "status", "code"),
    [
        ([END[:-10]], 400, "incomplete_form"),
        ([b""], 400, "incomplete_form"),
        ([b"--" + BOUNDARY.encode() + b"junk"], 400, "malformed_form"),
        ([b"--" + BOUNDARY.encode() + b"\r\nContent-Type: text/plain\r\n\r\nx\r\n", END], 400, "malformed_form"),
        ([field("a", "\udcff"), END], 400, "malformed_form"),
        ([field("a", "b\0c"), END], 400, "nul_character"),
        ([field("a\0", "b"), END], 400, "nul_character"),
        ([file("a", "b\0", b"c"), END], 400, "nul_character"),
        ([file("a" * 61, "b", b"c"), END], 413, "field_too_large"),
        ([file("a", "b" * 61, b"c"), END], 413, "field_too_large"),
        ([field("a", "b" * 101), END], 413, "field_too_large"),
        ([*[field("a", "b")] * 6, END], 400, "too_many_fields"),
        ([*[file("a", "b", b"c")] * 3, END], 400, "too_many_files"),
        ([file("a", "b", bytes(8 * MIB + 1)), END], 413, "file_too_large"),
        ([file("a", "b", bytes(8 * MIB)), file("a", "b", bytes(8 * MIB)), END, bytes(5 * MIB)], 413, "body_too_large"),
    ],
)
async def test_a_refused_form_leaves_nothing(
    server: FormServer, framing: str, size: int, parts: list[bytes], status: int, code: str
) -> None:
    body = file("first", "a.mp4", bytes(size)) + b"".join(parts)
    reply = await post(server, body, framing)
    assert reply.refusal == (status, code)
    assert await server.keys() == []


@framings
@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain"])
async def test_only_a_form_with_files_may_be_as_large_as_files_are(disk: FormServer, framing: str, content_type: str) -> None:
    """It is the only one that does not lie in memory as a whole."""
    body = b"a" * (MAX_READ_BYTES + 1)
    opening = head(None if framing == "chunked" else len(body)).replace(MULTIPART, content_type.encode())
    reply = await send(disk, opening, chunked(body) if framing == "chunked" else body)
    assert reply.refusal == (413, "body_too_large")


@framings
async def test_a_refused_client_may_send_all_before_it_listens(server: FormServer, framing: str) -> None:
    """Node's way: answered earlier and cut off, it would see EPIPE. The connection ends with the answer."""
    body = file("a", "b", bytes(40 * MIB)) + END
    reader, writer = await connect(server)
    writer.write(head(None) + chunked(body) if framing == "chunked" else head(len(body)) + body)
    await writer.drain()
    reply = await answer(reader)
    assert reply.refusal in [(413, "file_too_large"), (413, "body_too_large")]
    writer.close()
    assert await server.keys() == []


async def test_a_body_that_is_never_sent_is_not_waited_for_long(tmp_path: Path) -> None:
    limits = replace(LIMITS, drain_seconds=0.1)
    async with form_server.running(form_server.disk(tmp_path / "store"), limits) as server:
        for body in (b"", b"junk" * MIB):
            assert (await send(server, head(30 * MIB), body)).refusal == (413, "body_too_large")
        assert (await send(server, head(10 * MIB), b"junk" * MIB)).refusal == (400, "malformed_form")
        assert (await send(server, head(SMALL), b"--" + BOUNDARY.encode() + b"junk")).refusal == (400, "malformed_form")


@framings
@sizes
async def test_a_client_that_leaves_in_the_middle_leaves_nothing(
    disk: FormServer, tmp_path: Path, framing: str, size: int
) -> None:
    body = file("first", "a", bytes(size)) + file("second", "b", bytes(size))
    _reader, writer = await connect(disk)
    writer.write(head(None) + chunked(body)[:-5] if framing == "chunked" else head(len(body) + 100) + body)
    await writer.drain()
    root = tmp_path / "store"

    async def begun() -> bool:
        return bool(files_of(root))

    async def gone() -> bool:
        # One look can miss a file that the store is just moving to its place; it is moved once.
        return not files_of(root) and not files_of(root)

    await eventually(begun)
    writer.close()
    await eventually(gone)
    assert await disk.keys() == []


@sizes
async def test_a_client_that_stops_sending_but_listens_is_told(disk: FormServer, size: int) -> None:
    body = file("first", "a", bytes(size))
    reader, writer = await connect(disk)
    writer.write(head(len(body) + 1) + body)
    writer.write_eof()
    with_answer = await reader.read()
    assert not with_answer or b"incomplete_form" in with_answer
    writer.close()
    assert await disk.keys() == []


@framings
@sizes
async def test_a_client_that_stalls_is_dropped(tmp_path: Path, framing: str, size: int) -> None:
    limits = replace(LIMITS, idle_seconds=0.2)
    async with form_server.running(form_server.disk(tmp_path / "store"), limits) as server:
        body = file("first", "a", bytes(size))
        sent = head(None) + chunked(body)[:-5] if framing == "chunked" else head(len(body) + 1) + body
        assert (await send(server, sent)).refusal == (408, "request_timeout")
        assert not files_of(tmp_path / "store")


@framings
@sizes
async def test_a_client_that_drips_for_too_long_is_dropped(tmp_path: Path, framing: str, size: int) -> None:
    limits = replace(LIMITS, total_seconds=0.5)
    async with form_server.running(form_server.disk(tmp_path / "store"), limits) as server:
        body = file("first", "a", bytes(size)) + file("second", "b", bytes(size))[:-2]
        reader, writer = await connect(server)
        writer.write(head(None) + chunked(body)[:-5] if framing == "chunked" else head(len(body) + 2 * MIB) + body)
        answered = asyncio.create_task(answer(reader))
        while not answered.done():
            writer.write(b"1\r\nx\r\n" if framing == "chunked" else b"x")
            await asyncio.wait([answered], timeout=0.05)
        assert (await answered).refusal == (408, "request_timeout")
        writer.close()
        assert not files_of(tmp_path / "store")


@framings
@sizes
async def test_a_place_that_nobody_names_in_time(
    tmp_path: Path, framing: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database behind it hangs: no thread of the store hangs with it."""
    monkeypatch.setattr(form, "PLACE_SECONDS", 0.2)
    cancelled = 0

    async def place(part: FilePart, _fields: Sequence[Field]) -> str:
        nonlocal cancelled
        if part.field == "second":
            try:
                await asyncio.Event().wait()
            finally:
                cancelled += 1
        return form_server.new_key()

    async with form_server.running(form_server.disk(tmp_path / "store"), LIMITS, place) as server:
        body = file("first", "a", bytes(size)) + file("second", "b", bytes(size)) + END
        replies = await asyncio.gather(*[post(server, body, framing) for _ in range(8)])
        assert [reply.refusal for reply in replies] == [(503, "unavailable")] * 8
        assert (await post(server, file("first", "a", bytes(size)) + END, framing)).status == 200
        assert (cancelled, len(await server.keys())) == (8, 1)


@framings
@sizes
async def test_a_place_that_cannot_be_reached_is_not_the_clients_fault(tmp_path: Path, framing: str, size: int) -> None:
    async def place(_part: FilePart, _fields: Sequence[Field]) -> str:
        raise ConnectionRefusedError

    async with form_server.running(form_server.disk(tmp_path / "store"), LIMITS, place) as server:
        assert (await post(server, file("first", "a", bytes(size)) + END, framing)).refusal == (503, "unavailable")
        assert not files_of(tmp_path / "store")


@framings
@sizes
async def test_a_full_disk_is_said_and_leaves_nothing(
    disk: FormServer, framing: str, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = 0

    def write_fully(fd: int, view: memoryview) -> None:
        nonlocal written
        written += os.write(fd, view)
        if written > size:
            with Path("/dev/full").open("wb", buffering=0) as full:
                full.write(b"x")

    for module in (incoming, disk_change):
        monkeypatch.setattr(module, "write_fully", write_fully)
    body = file("first", "a", bytes(size)) + file("second", "b", bytes(size)) + END
    assert (await post(disk, body, framing)).refusal == (503, "unavailable")
    assert not files_of(tmp_path / "store")


async def test_a_connection_is_good_for_several_small_forms_and_one_large(disk: FormServer) -> None:
    reader, writer = await connect(disk)
    small, large = file("file", "a", bytes(SMALL)) + END, file("file", "a", bytes(LARGE)) + END
    for _ in range(2):
        writer.write(head(len(small)) + small)
        reply = await answer(reader)
        assert (reply.status, reply.headers.get("connection")) == (200, None)
    writer.write(head(len(large)) + large)
    reply = await answer(reader)
    assert (reply.status, reply.headers["connection"]) == (200, "close")
    assert await reader.read() == b""
    writer.close()
    assert len(await disk.keys()) == 3


async def test_eight_forms_at_once_are_stored_and_leave_nothing_open(disk: FormServer) -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    contents = [os.urandom(6 * MIB) for _ in range(8)]
    bodies = [field("n", str(n)) + file("file", "a", content) + END for n, content in enumerate(contents)]
    assert (await post(disk, bodies[0])).status == 200
    before = descriptors()
    replies = await asyncio.gather(*[post(disk, body) for body in bodies])
    for number, reply in enumerate(replies):
        assert reply.body["fields"] == [["n", str(number)]]
        assert await disk.content(reply.body["files"][0]["key"]) == contents[number]

    async def closed() -> bool:
        return descriptors() <= before

    await eventually(closed)


async def test_a_client_that_asks_first_is_told_to_go_on(disk: FormServer) -> None:
    body = file("file", "a", bytes(LARGE)) + END
    reader, writer = await connect(disk)
    writer.write(head(len(body), "Expect: 100-continue"))
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(body)
    assert (await answer(reader)).status == 200
    writer.close()


@sizes
async def test_a_place_that_cannot_be_leaves_nothing(disk: FormServer, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second file's key collides with a key that the store refuses."""
    keys = iter(["staging/1", "../etc"])
    monkeypatch.setattr(form_server, "new_key", lambda: next(keys))
    body = file("file", "a", bytes(size)) + file("file", "b", b"2") + END
    assert (await post(disk, body)).refusal == (500, "internal_error")
    assert await disk.keys() == []


async def test_stopping_the_server_ends_a_form_and_leaves_nothing(tmp_path: Path) -> None:
    body = file("file", "a", bytes(LARGE)) + file("file", "b", bytes(LARGE))
    async with form_server.running(form_server.disk(tmp_path / "store"), LIMITS) as server:
        _reader, writer = await connect(server)
        writer.write(head(len(body) + 1) + body)
        await writer.drain()

        async def begun() -> bool:
            return bool(files_of(tmp_path / "store"))

        await eventually(begun)
    writer.close()
    assert not files_of(tmp_path / "store")


async def test_a_compressed_form_is_refused(server: FormServer) -> None:
    body = file("file", "a", bytes(SMALL)) + END
    reply = await send(server, head(len(body), "Content-Encoding: gzip") + body)
    assert reply.refusal == (415, "unsupported_media_type")


async def test_memory_stays_flat_however_large_the_file(tmp_path: Path) -> None:
    with form_server.process(tmp_path / "store") as process:
        for framing in ("length", "chunked"):
            await process.upload(MIB, framing)
            before = process.peak_bytes()
            await process.upload(256 * MIB, framing)
            assert process.peak_bytes() - before < 16 * MIB

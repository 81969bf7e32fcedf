"""What an upload sends, waits for and refuses. Receivers are on 127.0.0.2, which is opened."""

import asyncio
import gzip
import tracemalloc
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from yarl import URL

from libs.egress.client import Answer, EgressNetworkError, EgressRefusedError, EgressTimeoutError, GuardedClient
from libs.egress.policy import Policy, parse_networks
from libs.egress.upload import Content, UploadLimits, upload
from tests.integration.libs.egress.conftest import Canary

MIB = 2**20
LIMITS = UploadLimits(total_seconds=20, idle_seconds=10)


class Receiver:
    """Reads a head, then does as `answer` says, with the connection in its hands."""

    def __init__(self) -> None:
        self.url = ""
        self.head = ""
        self.received = 0
        self.read = True
        self.answer = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\nLocation: /there\r\n\r\nok"
        self.connected = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            self.connected.set()
            length = int(self.head.lower().partition("content-length:")[2].partition("\r\n")[0])
            while self.read and self.received < length and (piece := await reader.read(2**16)):
                self.received += len(piece)
            writer.write(self.answer)
            await writer.drain()
            if not self.answer:
                await asyncio.Event().wait()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    served = Receiver()
    tasks: set[asyncio.Task[None]] = set()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(served.serve(reader, writer)))

    server = await asyncio.start_server(begin, "127.0.0.2", 0)
    served.url = f"http://127.0.0.2:{server.sockets[0].getsockname()[1]}"
    yield served
    server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def opened(allow: str = "127.0.0.2/32") -> AsyncIterator[GuardedClient]:
    client = GuardedClient(Policy(parse_networks(allow)), timeout_seconds=10)
    await client.open()
    try:
        yield client
    finally:
        await client.close()


class Source:
    """`count` pieces of 1 MiB; knows whether it was closed."""

    def __init__(self, count: int, *, fails: Exception | None = None) -> None:
        self.count = count
        self.fails = fails
        self.is_closed = False

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        try:
            for _ in range(self.count):
                yield bytes(MIB)
            if self.fails is not None:
                raise self.fails
        finally:
            self.is_closed = True


async def sent(url: str | URL, source: Source, size_bytes: int, limits: UploadLimits = LIMITS) -> Answer:
    async with opened() as client:
        return await upload(client, "PUT", url, Content(size_bytes, source.pieces()), headers={"X-Own": "yes"}, limits=limits)


async def test_the_content_goes_out_with_its_length_and_the_answer_comes_back(receiver: Receiver) -> None:
    source = Source(3)
    answer = await sent(f"{receiver.url}/a%2Fb?x=1", source, 3 * MIB)
    assert (answer.status, answer.body, answer.headers["Location"]) == (201, b"ok", "/there")
    assert receiver.received == 3 * MIB
    assert receiver.head.startswith("PUT /a%2Fb?x=1 HTTP/1.1\r\n")
    assert "x-own: yes" in receiver.head.lower()
    assert "transfer-encoding" not in receiver.head.lower()
    assert source.is_closed


@pytest.mark.parametrize(
    ("target", "is_signed", "spelled"),
    [
        ("/a%40b%7E?c=%2F%3A", True, "/a%40b%7E?c=%2F%3A"),
        ("/a%40b%7E?c=%2F%3A", False, "/a%40b%7E?c=%2F%3A"),
        ("/a/../b", True, "/a/../b"),
        ("/a/../my folder?", False, "/my%20folder?"),
    ],
)
async def test_a_url_is_sent_as_it_is_spelled(receiver: Receiver, target: str, is_signed: bool, spelled: str) -> None:
    url = receiver.url + target
    await sent(URL(url, encoded=True) if is_signed else url, Source(1), MIB)
    assert receiver.head.startswith(f"PUT {spelled} HTTP/1.1\r\n")


async def test_an_answer_that_came_encoded_is_decoded(receiver: Receiver) -> None:
    body = gzip.compress(b'{"id": "7"}')
    receiver.answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    assert (await sent(receiver.url, Source(1), MIB)).body == b'{"id": "7"}'


async def test_nothing_may_be_sent_too(receiver: Receiver) -> None:
    assert (await sent(receiver.url, Source(0), 0)).status == 201
    assert "content-length: 0" in receiver.head.lower()


async def test_huge_content_needs_little_memory(receiver: Receiver) -> None:
    tracemalloc.start()
    try:
        await sent(receiver.url, Source(300), 300 * MIB)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert receiver.received == 300 * MIB
    assert peak < 12 * MIB


async def test_a_redirect_is_an_answer(receiver: Receiver) -> None:
    receiver.answer = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    assert (await sent(receiver.url, Source(1), MIB)).status == 307


async def test_an_answer_before_the_end_of_the_content_counts(receiver: Receiver) -> None:
    receiver.read = False
    receiver.answer = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
    source = Source(100)
    assert (await sent(receiver.url, source, 100 * MIB)).status == 401
    assert source.is_closed


async def test_a_receiver_that_takes_nothing_runs_out_of_time(receiver: Receiver) -> None:
    receiver.read, receiver.answer = False, b""
    source = Source(100)
    with pytest.raises(EgressTimeoutError):
        await sent(receiver.url, source, 100 * MIB, UploadLimits(total_seconds=60, idle_seconds=0.3))
    assert source.is_closed


async def test_a_receiver_that_never_answers_runs_out_of_time(receiver: Receiver) -> None:
    receiver.answer = b""
    with pytest.raises(EgressTimeoutError):
        await sent(receiver.url, Source(1), MIB, UploadLimits(total_seconds=60, idle_seconds=0.3))


async def test_the_whole_has_its_time_too(receiver: Receiver) -> None:
    receiver.answer = b""
    with pytest.raises(EgressTimeoutError):
        await sent(receiver.url, Source(1), MIB, UploadLimits(total_seconds=0.3, idle_seconds=60))


async def test_what_the_content_fails_with_is_raised_as_it_is(receiver: Receiver) -> None:
    failure = LookupError("our own store")
    with pytest.raises(LookupError) as caught:
        await sent(receiver.url, Source(2, fails=failure), 5 * MIB)
    assert caught.value is failure


@pytest.mark.parametrize("size_bytes", [MIB, 3 * MIB])
async def test_content_of_another_size_is_a_mistake(receiver: Receiver, size_bytes: int) -> None:
    with pytest.raises(ValueError, match="announced size"):
        await sent(receiver.url, Source(2), size_bytes)


async def test_a_receiver_that_hangs_up_is_a_network_failure(receiver: Receiver) -> None:
    receiver.answer = b"\r\n"
    with pytest.raises(EgressNetworkError):
        await sent(receiver.url, Source(1), MIB)


async def test_a_cancelled_upload_closes_its_content(receiver: Receiver) -> None:
    receiver.read, receiver.answer = False, b""
    source = Source(100)
    task = asyncio.create_task(sent(receiver.url, source, 100 * MIB))
    await receiver.connected.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert source.is_closed


async def test_no_refused_address_is_contacted(canary: Canary) -> None:
    for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"):
        for url in (f"http://{host}:{canary.port}/", URL(f"http://{host}:{canary.port}/")):
            source = Source(1)
            with pytest.raises(EgressRefusedError):
                await sent(url, source, MIB)
    assert canary.connections == 0

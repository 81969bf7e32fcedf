"""The S3 adapter's own promises about streams and connections: parts sent together, bounded memory, refusals, lost answers."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from libs.object_store import s3_client, s3_write
from libs.object_store.port import StoreUnavailableError
from libs.object_store.s3_write import PARTS_AT_ONCE, regrouped
from tests.integration.libs.object_store.s3_answers import error, talking_to, xml

KEY = "staging/1/token"
PART = 1000


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_write, "PART_BYTES", PART)
    monkeypatch.setattr("libs.object_store.s3.check_parts", lambda parts: None)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_client, "PAUSES", (0.01, 0.01))


class Service:
    """Takes multipart uploads; a part is answered when the test allows it."""

    def __init__(self) -> None:
        self.waiting = 0
        self.most_waiting = 0
        self.allowed = asyncio.Event()
        self.arrived = asyncio.Semaphore(0)
        self.parts: dict[int, bytes] = {}
        self.requests: list[str] = []
        self.failing: set[int] = set()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if "uploads" in request.query:
            self.requests.append("start")
            return xml("<Result><UploadId>id</UploadId></Result>")
        if request.method == "PUT":
            return await self._part(int(request.query["partNumber"]), body)
        self.requests.append({"POST": "complete", "DELETE": "abort"}[request.method])
        return xml("<CompleteMultipartUploadResult><ETag>whole</ETag></CompleteMultipartUploadResult>")

    async def _part(self, number: int, body: bytes) -> web.Response:
        self.waiting += 1
        self.most_waiting = max(self.most_waiting, self.waiting)
        self.arrived.release()
        await self.allowed.wait()
        self.waiting -= 1
        if number in self.failing:
            return error("AccessDenied", 403)
        self.parts[number] = body
        return web.Response(headers={"ETag": f'"part-{number}"'})


async def test_parts_are_sent_together_while_the_next_one_is_read() -> None:
    service = Service()
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        for number in range(20):
            read += 1
            yield bytes([number]) * PART

    async with talking_to(service.answer) as store:
        writing = asyncio.create_task(store.write(KEY, endless(), content_type="a/b"))
        for _ in range(PARTS_AT_ONCE):
            await service.arrived.acquire()
        while read < PARTS_AT_ONCE + 1:
            await asyncio.sleep(0)
        assert (service.waiting, read) == (PARTS_AT_ONCE, PARTS_AT_ONCE + 1)
        service.allowed.set()
        written = await writing
    assert (written.size_bytes, written.etag) == (20 * PART, "whole")
    assert service.most_waiting == PARTS_AT_ONCE
    assert service.parts == {number + 1: bytes([number]) * PART for number in range(20)}
    assert service.requests == ["start", "complete"]


async def test_a_part_that_fails_ends_the_stream_when_the_others_are_over() -> None:
    service = Service()
    service.failing = {2}
    service.allowed.set()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(PART)

    async with talking_to(service.answer) as store:
        with pytest.raises(StoreUnavailableError, match="AccessDenied"):
            await store.write(KEY, endless(), content_type="a/b")
    assert service.requests == ["start", "abort"]
    assert service.waiting == 0


async def test_a_stream_that_is_given_up_waits_for_its_parts_before_it_is_aborted() -> None:
    service = Service()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(PART)

    async with talking_to(service.answer) as store:
        writing = asyncio.create_task(store.write(KEY, endless(), content_type="a/b"))
        for _ in range(PARTS_AT_ONCE):
            await service.arrived.acquire()
        writing.cancel()
        service.allowed.set()
        with pytest.raises(asyncio.CancelledError):
            await writing
        while service.requests != ["start", "abort"]:
            await asyncio.sleep(0.01)
    assert len(service.parts) == PARTS_AT_ONCE


async def test_many_streams_share_what_may_be_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_write, "PARTS_IN_ALL", 5)
    service = Service()

    async def long() -> AsyncIterator[bytes]:
        for _ in range(4):
            yield bytes(PART)

    async with talking_to(service.answer) as store:
        writing = [asyncio.create_task(store.write(KEY, long(), content_type="a/b")) for _ in range(4)]
        for _ in range(5):
            await service.arrived.acquire()
        service.allowed.set()
        await asyncio.gather(*writing)
    assert service.most_waiting == 5


@pytest.mark.parametrize("steps", [[1], [7, 300], [999, 1000, 1001], [2500], [70_000, 3]])
async def test_groups_have_one_size_and_all_the_bytes(steps: list[int]) -> None:
    whole = os.urandom(4200)

    async def chunks() -> AsyncIterator[bytes]:
        start = turn = 0
        while start < len(whole):
            step = steps[turn % len(steps)]
            yield whole[start : start + step]
            start, turn = start + step, turn + 1

    groups = [b"".join(group) async for group in regrouped(chunks(), PART)]
    assert [len(group) for group in groups] == [1000, 1000, 1000, 1000, 200]
    assert b"".join(groups) == whole


async def test_a_local_file_is_written_and_read_back(tmp_path: Path) -> None:
    content = os.urandom(3 * PART + 1)
    (tmp_path / "source").write_bytes(content)
    service = Service()
    service.allowed.set()
    async with talking_to(service.answer) as store:
        assert (await store.write(KEY, tmp_path / "source", content_type="a/b")).size_bytes == len(content)
    assert b"".join(service.parts[number] for number in sorted(service.parts)) == content


async def test_what_tls_does_not_protect_is_signed() -> None:
    seen = {}

    async def answer(request: web.Request) -> web.StreamResponse:
        seen[hashlib.sha256(await request.read()).hexdigest()] = request.headers["x-amz-content-sha256"]
        return web.Response(headers={"ETag": '"x"'})

    async def stream(content: bytes) -> AsyncIterator[bytes]:
        yield content

    async with talking_to(answer) as store:
        for content in (b"", b"small"):
            await store.write(KEY, stream(content), content_type="a/b")
        await store.stat(KEY)
    assert len(seen) == 2
    assert all(digest == signed for digest, signed in seen.items())


# Refusals and lost connections


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_what_may_pass_is_asked_for_again(status: int) -> None:
    requests = []

    async def answer(request: web.Request) -> web.StreamResponse:
        requests.append((request.method, await request.read()))
        if len(requests) % 2:
            return error("SlowDown", status)
        return web.Response(headers={"ETag": '"x"', "Content-Length": "0"})

    async def stream() -> AsyncIterator[bytes]:
        yield b"small"

    async with talking_to(answer) as store:
        assert (await store.write(KEY, stream(), content_type="a/b")).etag == "x"
        found = await store.stat(KEY)
        assert found is not None and found.etag == "x"
    assert requests == [("PUT", b"small"), ("PUT", b"small"), ("HEAD", b""), ("HEAD", b"")]


async def test_a_connection_that_was_lost_is_made_again() -> None:
    requests = []

    async def answer(request: web.Request) -> web.StreamResponse:
        requests.append(await request.read())
        if len(requests) == 1:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(headers={"ETag": '"x"'})

    async def stream() -> AsyncIterator[bytes]:
        yield b"small"

    async with talking_to(answer) as store:
        await store.write(KEY, stream(), content_type="a/b")
    assert requests == [b"small", b"small"]


async def test_a_store_that_refuses_again_and_again_is_unavailable() -> None:
    requests = []

    async def answer(request: web.Request) -> web.StreamResponse:
        requests.append(request.method)
        return error("SlowDown", 503)

    async with talking_to(answer) as store:
        with pytest.raises(StoreUnavailableError, match="SlowDown"):
            await store.delete([KEY])
    assert requests == ["POST"] * 3


async def test_a_reader_that_leaves_early_leaves_no_rest_to_the_next_one() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if "Range" in request.headers:
            return web.Response(status=206, body=b"next", headers={"ETag": '"x"'})
        return web.Response(body=bytes(4 * 1024 * 1024), headers={"ETag": '"x"'})

    async with talking_to(answer) as store:
        reading = store.read(KEY)
        assert await anext(aiter(reading))
        await reading.aclose()  # type: ignore[attr-defined]
        assert b"".join([chunk async for chunk in store.read(KEY, length=4)]) == b"next"


async def test_a_deletion_that_fails_in_an_answer_of_status_200_is_told() -> None:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return xml("<DeleteResult><Error><Key>b</Key><Code>AccessDenied</Code></Error></DeleteResult>")

    async with talking_to(answer) as store:
        with pytest.raises(StoreUnavailableError, match="AccessDenied"):
            await store.delete(["a", "b"])
        await store.delete([])

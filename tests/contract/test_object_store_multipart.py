"""Multipart uploads, and streams that are written in parts, on each adapter over real HTTP."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import aiohttp
import pytest
from yarl import URL

from libs.object_store.port import (
    MIN_PART_BYTES,
    InvalidPartsError,
    MultipartNotFoundError,
    ObjectInfo,
    ObjectStore,
    OpenMultipart,
    PartTooSmallError,
    StoreUnavailableError,
)
from tests.contract.store_harness import Adapter, content_of, keys_of

KEY = "staging/1/token"
HOUR = timedelta(hours=1)
FULL = bytes(MIN_PART_BYTES)


@dataclass(frozen=True)
class Answer:
    status: int
    etag: str
    body: str


async def request(url: str, body: bytes | None, *, method: str = "PUT", **headers: str) -> aiohttp.ClientResponse:
    async with (
        aiohttp.ClientSession(skip_auto_headers={"Content-Type", "User-Agent"}) as client,
        client.request(
            method, URL(url, encoded=True), data=None if body is None else BytesIO(body), headers=headers
        ) as response,
    ):
        await response.read()
        return response


async def put_part(
    store: ObjectStore, multipart_id: str, number: int, body: bytes, *, key: str = KEY, **headers: str
) -> Answer:
    url = store.presign_parts(key, multipart_id, [number], expires_in=HOUR)[0]
    response = await request(url, body, **headers)
    return Answer(response.status, response.headers.get("ETag", "").strip('"'), await response.text())


async def begun(store: ObjectStore, *bodies: bytes, key: str = KEY) -> str:
    """A multipart upload with these parts, numbered from 1."""
    multipart_id = await store.start_multipart(key, content_type="video/mp4", metadata={"id": "7"})
    answers = await asyncio.gather(
        *[put_part(store, multipart_id, number, body, key=key) for number, body in enumerate(bodies, 1)]
    )
    assert [answer.status for answer in answers] == [200] * len(bodies)
    return multipart_id


async def open_multiparts(store: ObjectStore, prefix: str = "") -> list[OpenMultipart]:
    return [found async for page in store.list_multiparts(prefix) for found in page]


async def test_parts_that_came_in_any_order_become_the_object(adapter: Adapter) -> None:  # U-21
    store = adapter.store
    bodies = {number: os.urandom(MIN_PART_BYTES + number) for number in (1, 2, 3)} | {4: b"the rest"}
    multipart_id = await store.start_multipart(KEY, content_type="video/mp4", metadata={"id": "7"})
    etags = {}
    for number in (4, 2, 1, 3):
        answer = await put_part(store, multipart_id, number, bodies[number])
        assert (answer.status, answer.body) == (200, "")
        etags[number] = answer.etag

    parts = await store.list_parts(KEY, multipart_id)
    assert [(part.number, part.size_bytes, part.etag) for part in parts] == [
        (number, len(bodies[number]), etags[number]) for number in (1, 2, 3, 4)
    ]
    assert await store.stat(KEY) is None
    completed = await store.complete_multipart(KEY, multipart_id, parts)

    whole = b"".join(bodies[number] for number in (1, 2, 3, 4))
    found = await store.stat(KEY)
    assert found is not None
    assert (found.size_bytes, found.content_type, found.metadata["id"]) == (len(whole), "video/mp4", "7")
    assert completed.size_bytes == len(whole)
    assert (completed.etag == found.etag) != ("multipart-etag" in adapter.deviates)
    assert abs(completed.modified_at - datetime.now(UTC)) < timedelta(minutes=5)
    assert hashlib.sha256(await content_of(store, KEY)).digest() == hashlib.sha256(whole).digest()


async def test_what_came_in_parts_is_promoted(store: ObjectStore) -> None:
    multipart_id = await begun(store, FULL, b"end")
    await store.complete_multipart(KEY, multipart_id, await store.list_parts(KEY, multipart_id))
    staged = await store.stat(KEY)
    assert staged is not None
    promoted = await store.promote(staged, "files/1/original.mp4", content_type="video/mp4")
    assert (promoted.size_bytes, promoted.content_type) == (len(FULL) + 3, "video/mp4")
    await store.delete([KEY])
    assert await content_of(store, "files/1/original.mp4") == FULL + b"end"


async def test_one_small_part_is_enough(store: ObjectStore) -> None:
    multipart_id = await begun(store, b"small")
    await store.complete_multipart(KEY, multipart_id, await store.list_parts(KEY, multipart_id))
    assert await content_of(store, KEY) == b"small"


async def test_of_several_completions_at_once_each_is_told_that_it_is_done(store: ObjectStore) -> None:
    multipart_id = await begun(store, FULL, b"end")
    parts = await store.list_parts(KEY, multipart_id)
    done = await asyncio.gather(*(store.complete_multipart(KEY, multipart_id, parts) for _ in range(8)))
    assert {found.size_bytes for found in done} == {len(FULL) + 3}
    assert await content_of(store, KEY) == FULL + b"end"


@pytest.mark.parametrize("content_type", [None, "application/octet-stream", "video/mp4; x=y"])
async def test_a_part_may_have_any_content_type(store: ObjectStore, content_type: str | None) -> None:  # U-21
    multipart_id = await begun(store)
    headers = {"Content-Type": content_type} if content_type else {}
    assert (await put_part(store, multipart_id, 1, b"bytes", **headers)).status == 200


async def test_a_part_that_comes_again_replaces_the_first(adapter: Adapter) -> None:
    store = adapter.store
    multipart_id = await begun(store, b"first")
    assert (await put_part(store, multipart_id, 1, b"first")).status == 200
    again = await put_part(store, multipart_id, 1, b"second one")
    [part] = await store.list_parts(KEY, multipart_id)
    await store.complete_multipart(KEY, multipart_id, [part])
    if "replaced-part" in adapter.deviates:
        assert again.status != 200
        assert await content_of(store, KEY) == b"first"
    else:
        assert (part.size_bytes, part.etag) == (10, again.etag)
        assert await content_of(store, KEY) == b"second one"


async def test_a_part_that_was_cut_off_leaves_the_one_before(store: ObjectStore) -> None:
    multipart_id = await begun(store, b"whole")

    async def failing() -> AsyncIterator[bytes]:
        yield b"cut"
        raise ConnectionError

    url = store.presign_parts(KEY, multipart_id, [1], expires_in=HOUR)[0]
    async with aiohttp.ClientSession() as client:
        with pytest.raises(aiohttp.ClientError):
            await client.put(URL(url, encoded=True), data=failing(), headers={"Content-Length": "1000"})
    await store.complete_multipart(KEY, multipart_id, await store.list_parts(KEY, multipart_id))
    assert await content_of(store, KEY) == b"whole"


async def test_only_the_parts_that_are_named_count(adapter: Adapter) -> None:
    store = adapter.store
    multipart_id = await begun(store, FULL, b"left out", b"end")
    first, _second, third = await store.list_parts(KEY, multipart_id)
    if "left-out-part" in adapter.deviates:
        with pytest.raises(InvalidPartsError):
            await store.complete_multipart(KEY, multipart_id, [first, third])
    else:
        await store.complete_multipart(KEY, multipart_id, [first, third])
        assert await content_of(store, KEY) == FULL + b"end"


async def test_a_part_in_the_middle_must_not_be_small(store: ObjectStore) -> None:  # U-21
    multipart_id = await begun(store, FULL[1:], b"end")
    parts = await store.list_parts(KEY, multipart_id)
    with pytest.raises(PartTooSmallError):
        await store.complete_multipart(KEY, multipart_id, parts)
    assert await store.list_parts(KEY, multipart_id) == parts
    assert await store.stat(KEY) is None


async def test_parts_that_cannot_make_an_object_are_refused(store: ObjectStore) -> None:
    multipart_id = await begun(store, FULL, b"end")
    first, second = await store.list_parts(KEY, multipart_id)
    for parts in ([], [second, first], [first, first], [replace(first, number=0)], [replace(first, number=10_001)]):
        with pytest.raises(InvalidPartsError):
            await store.complete_multipart(KEY, multipart_id, parts)
    await store.complete_multipart(KEY, multipart_id, [first, second])
    assert await content_of(store, KEY) == FULL + b"end"


@pytest.mark.parametrize("changed", [{"number": 2}, {"etag": "0" * 32}])
async def test_a_part_that_the_store_has_not_is_refused(adapter: Adapter, changed: dict[str, Any]) -> None:
    store = adapter.store
    multipart_id = await begun(store, b"only")
    [part] = await store.list_parts(KEY, multipart_id)
    with pytest.raises(InvalidPartsError):
        await store.complete_multipart(KEY, multipart_id, [replace(part, **changed)])
    assert await store.stat(KEY) is None
    if "refused-completion" in adapter.deviates:
        with pytest.raises(MultipartNotFoundError):
            await store.list_parts(KEY, multipart_id)
    else:
        await store.complete_multipart(KEY, multipart_id, [part])
        assert await content_of(store, KEY) == b"only"


async def test_a_completion_may_be_repeated_while_its_object_is_there(store: ObjectStore) -> None:
    multipart_id = await begun(store, FULL, b"end")
    parts = await store.list_parts(KEY, multipart_id)
    calls = [store.complete_multipart(KEY, multipart_id, parts) for _ in range(3)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(answer) for answer in answers} <= {ObjectInfo, StoreUnavailableError}
    found = await store.stat(KEY)
    assert await store.complete_multipart(KEY, multipart_id, parts) == found
    await store.delete([KEY])
    with pytest.raises(MultipartNotFoundError):
        await store.complete_multipart(KEY, multipart_id, parts)


async def test_a_completion_may_be_asked_for_again_but_not_with_other_parts(store: ObjectStore) -> None:
    multipart_id = await begun(store, FULL, b"end")
    parts = await store.list_parts(KEY, multipart_id)
    await store.complete_multipart(KEY, multipart_id, parts)
    with pytest.raises(MultipartNotFoundError):
        await store.complete_multipart(KEY, multipart_id, parts[:1])


async def test_an_upload_that_is_not_open_is_not_found(store: ObjectStore) -> None:
    multipart_id = await begun(store, b"bytes")
    parts = await store.list_parts(KEY, multipart_id)
    for key, unknown in (("staging/2/token", multipart_id), (KEY, "0" * 32), (KEY, "../objects")):
        with pytest.raises(MultipartNotFoundError):
            await store.list_parts(key, unknown)
        with pytest.raises(MultipartNotFoundError):
            await store.complete_multipart(key, unknown, parts)
        await store.abort_multipart(key, unknown)
        assert (await put_part(store, unknown, 1, b"bytes", key=key)).status == 404
    assert await store.list_parts(KEY, multipart_id) == parts


@pytest.mark.parametrize("size", [5, 300_000])
async def test_an_aborted_upload_takes_no_more_parts(store: ObjectStore, size: int) -> None:
    multipart_id = await begun(store, FULL, b"end")
    parts = await store.list_parts(KEY, multipart_id)
    await store.abort_multipart(KEY, multipart_id)
    await store.abort_multipart(KEY, multipart_id)
    answer = await put_part(store, multipart_id, 3, bytes(size))
    assert answer.status == 404
    assert "<Code>NoSuchUpload</Code>" in answer.body
    with pytest.raises(MultipartNotFoundError):
        await store.complete_multipart(KEY, multipart_id, parts)
    assert await store.stat(KEY) is None
    assert await open_multiparts(store) == []


async def test_a_completed_upload_takes_no_more_parts(store: ObjectStore) -> None:
    multipart_id = await begun(store, b"judged")
    await store.complete_multipart(KEY, multipart_id, await store.list_parts(KEY, multipart_id))
    answer = await put_part(store, multipart_id, 1, b"swapped afterwards")
    assert answer.status == 404
    assert "<Code>NoSuchUpload</Code>" in answer.body
    assert await content_of(store, KEY) == b"judged"


async def test_open_uploads_are_listed_until_they_end(store: ObjectStore) -> None:
    keys = ["staging/1/a", "staging/1/b", "staging/2/a", "files/1"]
    opened = {key: await begun(store, key=key) for key in keys}
    twice = await begun(store, key="staging/1/a")
    found = await open_multiparts(store, "staging/1/")
    assert sorted((each.key, each.multipart_id) for each in found) == sorted(
        [("staging/1/a", opened["staging/1/a"]), ("staging/1/a", twice), ("staging/1/b", opened["staging/1/b"])]
    )
    assert all(abs(each.started_at - datetime.now(UTC)) < timedelta(minutes=5) for each in found)
    await store.abort_multipart("staging/1/a", twice)
    await put_part(store, opened["staging/1/b"], 1, b"bytes", key="staging/1/b")
    parts = await store.list_parts("staging/1/b", opened["staging/1/b"])
    await store.complete_multipart("staging/1/b", opened["staging/1/b"], parts)
    assert {each.multipart_id for each in await open_multiparts(store)} == {
        opened[key] for key in ("staging/1/a", "staging/2/a", "files/1")
    }
    assert await keys_of(store, "staging/") == ["staging/1/b"]


async def test_nothing_is_listed_where_no_upload_is_open(store: ObjectStore) -> None:
    assert await open_multiparts(store) == []


async def test_a_url_is_good_for_its_part_alone(store: ObjectStore) -> None:
    multipart_id, other = await begun(store), await begun(store)
    url = store.presign_parts(KEY, multipart_id, [1], expires_in=HOUR)[0]
    for changed in (
        url.replace("partNumber=1", "partNumber=2"),
        url.replace(multipart_id, other),
        url.replace(KEY, "staging/2/token"),
        url[:-1] + ("0" if url[-1] != "0" else "1"),
        url.replace("X-Amz-Expires=3600", "X-Amz-Expires=36000"),
        url.replace(f"partNumber=1&uploadId={multipart_id}&", ""),
    ):
        assert changed != url
        assert (await request(changed, b"bytes")).status == 403
    for name in ("x-amz-copy-source", "x-amz-acl"):
        assert (await request(url, b"bytes", **{name: "x"})).status == 403
    assert await store.list_parts(KEY, multipart_id) == await store.list_parts(KEY, other) == []
    assert await store.stat(KEY) is None


async def test_an_expired_url_is_refused(adapter: Adapter) -> None:
    multipart_id = await begun(adapter.store)
    earlier = datetime.now(UTC) - HOUR - timedelta(seconds=1)
    url = adapter.store.presign_parts(KEY, multipart_id, [1], expires_in=HOUR, now=earlier)[0]
    assert (await request(url, b"bytes")).status == (400 if "expired" in adapter.deviates else 403)
    assert await adapter.store.list_parts(KEY, multipart_id) == []


async def test_a_url_for_a_part_is_none_for_another_method(store: ObjectStore) -> None:
    multipart_id = await begun(store, b"bytes")
    url = store.presign_parts(KEY, multipart_id, [1], expires_in=HOUR)[0]
    for method in ("DELETE", "POST", "GET"):
        assert (await request(url, None, method=method)).status in (400, 403, 405)
    assert len(await store.list_parts(KEY, multipart_id)) == 1


async def test_a_browser_may_put_a_part_and_read_its_etag(adapter: Adapter) -> None:
    store = adapter.store
    multipart_id = await begun(store)
    url = store.presign_parts(KEY, multipart_id, [1], expires_in=HOUR)[0]
    page = {"Origin": "https://app.example.com"}
    asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type"}
    preflight = await request(url, None, method="OPTIONS", **page, **asked)
    if "preflight" in adapter.deviates:
        assert preflight.status == 403
        return
    assert preflight.status == 200
    assert "PUT" in preflight.headers["Access-Control-Allow-Methods"]
    assert "content-type" in preflight.headers["Access-Control-Allow-Headers"].lower()
    answer = await request(url, b"bytes", **page, **{"Content-Type": "video/mp4"})
    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Origin"] in ("*", page["Origin"])
    assert "etag" in answer.headers["Access-Control-Expose-Headers"].lower()


# Streams that are longer than what is held in memory


async def long_stream() -> AsyncIterator[bytes]:
    for _ in range(20):
        yield bytes(1024 * 1024)


@pytest.mark.parametrize("error", [RuntimeError("refused"), ConnectionResetError("went away"), TimeoutError("stalled")])
async def test_a_long_stream_that_fails_leaves_nothing_and_tells_its_own_error(store: ObjectStore, error: Exception) -> None:
    async def failing() -> AsyncIterator[bytes]:
        async for chunk in long_stream():
            yield chunk
        raise error

    with pytest.raises(type(error), match=str(error)):
        await store.write(KEY, failing(), content_type="video/mp4")
    assert await store.stat(KEY) is None
    assert await open_multiparts(store) == []


async def test_a_long_stream_that_is_given_up_leaves_nothing(store: ObjectStore) -> None:
    at_the_end = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        async for chunk in long_stream():
            yield chunk
        at_the_end.set()
        await asyncio.Event().wait()

    writing = asyncio.create_task(store.write(KEY, endless(), content_type="video/mp4"))
    await at_the_end.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert await store.stat(KEY) is None
    assert await open_multiparts(store) == []


@pytest.mark.parametrize("size", [8 * 1024**2 - 1, 8 * 1024**2, 8 * 1024**2 + 1, 16 * 1024**2, 20 * 1024**2])
async def test_a_stream_of_any_length_and_chunking_is_stored(store: ObjectStore, size: int) -> None:
    whole = os.urandom(size)

    async def chunks() -> AsyncIterator[bytes]:
        start = 0
        for step in (*[700] * 2000, 70_000, 9 * 1024**2, 1024**2 + 3, size):
            yield whole[start : start + step]
            start += step

    written = await store.write(KEY, chunks(), content_type="video/mp4", metadata={"id": "7"})
    found = await store.stat(KEY)
    assert found is not None
    assert (written.size_bytes, written.content_type, written.metadata["id"]) == (size, "video/mp4", "7")
    assert (found.size_bytes, found.content_type, found.metadata["id"]) == (size, "video/mp4", "7")
    assert hashlib.sha256(await content_of(store, KEY)).digest() == hashlib.sha256(whole).digest()
    assert await open_multiparts(store) == []

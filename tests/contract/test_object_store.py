"""What every object store does, run on each adapter over real HTTP: the disk store behind aiohttp, the S3 store at a server."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest
from yarl import URL

from libs.object_store.port import ObjectChangedError, ObjectInfo, ObjectNotFoundError, ObjectStore, delete_prefix
from tests.contract.store_harness import TYPE, Adapter, content_of, keys_of, put, stream

# Objects


async def test_what_is_written_can_be_looked_up_and_read(store: ObjectStore) -> None:
    written = await store.write(
        "files/1/original.mp4", stream(b"ab", b"", b"c"), content_type="video/mp4", metadata={"id": "7"}
    )
    found = await store.stat("files/1/original.mp4")
    assert found is not None
    assert (found.key, found.size_bytes, found.etag) == ("files/1/original.mp4", 3, written.etag)
    assert found.content_type == "video/mp4"
    assert found.metadata["id"] == "7"
    assert abs(found.modified_at - datetime.now(UTC)) < timedelta(minutes=5)
    assert await content_of(store, "files/1/original.mp4") == b"abc"


async def test_a_file_is_written_and_downloaded(store: ObjectStore, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"from a file")
    await store.write("a/file", source, content_type=TYPE)
    await store.download("a/file", target)
    assert target.read_bytes() == b"from a file"


async def test_an_empty_object_is_an_object(store: ObjectStore) -> None:
    await store.write("empty", stream(), content_type=TYPE)
    found = await store.stat("empty")
    assert found is not None
    assert found.size_bytes == 0
    assert await content_of(store, "empty") == b""


async def test_nothing_lies_under_an_unknown_key(store: ObjectStore, tmp_path: Path) -> None:
    assert await store.stat("files/none") is None
    with pytest.raises(ObjectNotFoundError):
        await content_of(store, "files/none")
    with pytest.raises(ObjectNotFoundError):
        await store.download("files/none", tmp_path / "target")
    with pytest.raises(ObjectNotFoundError):
        await store.copy("files/none", "files/other", match_etag="x")


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [
        (0, None, b"0123456789"),
        (4, None, b"456789"),
        (0, 3, b"012"),
        (4, 3, b"456"),
        (8, 100, b"89"),
        (3, 0, b""),
        (10, 5, b""),
    ],
)
async def test_a_range_of_an_object_is_read(store: ObjectStore, start: int, length: int | None, expected: bytes) -> None:
    await put(store, "range", b"0123456789")
    assert await content_of(store, "range", start=start, length=length) == expected


async def test_only_the_version_asked_for_is_read(store: ObjectStore) -> None:
    etag = await put(store, "a", b"one")
    assert await content_of(store, "a", match_etag=etag) == b"one"
    await put(store, "a", b"two")
    with pytest.raises(ObjectChangedError):
        await content_of(store, "a", match_etag=etag)


@pytest.mark.parametrize(("content", "max_bytes"), [(b"", 4), (b"123", 4), (b"1234", 4), (b"12345", 4), (b"1", 0), (b"", 0)])
async def test_a_peek_tells_what_lies_there_and_the_bytes_of_what_is_small(
    store: ObjectStore, content: bytes, max_bytes: int
) -> None:
    await store.write("files/a.png", stream(content), content_type="image/png", metadata={"id": "7"})
    peeked, found = await store.peek("files/a.png", max_bytes), await store.stat("files/a.png")
    assert peeked is not None
    assert found is not None
    assert peeked.info.modified_at.replace(microsecond=0) == found.modified_at.replace(microsecond=0)
    for field in ("key", "size_bytes", "etag", "content_type", "metadata"):
        assert getattr(peeked.info, field) == getattr(found, field)
    assert peeked.content == (content if len(content) <= max_bytes else None)


async def test_a_peek_finds_nothing_under_an_unknown_key(store: ObjectStore) -> None:
    assert await store.peek("files/none", 4) is None
    assert await store.peek("files/none", 0) is None


async def test_every_write_has_an_etag_of_its_own(adapter: Adapter) -> None:
    first, second = await put(adapter.store, "a", b"same"), await put(adapter.store, "a", b"same")
    assert (first == second) == ("etag" in adapter.deviates)


async def test_a_stream_that_fails_leaves_the_old_object(store: ObjectStore) -> None:
    await put(store, "a", b"old")

    async def failing() -> AsyncIterator[bytes]:
        yield b"new"
        raise RuntimeError("cut off")

    with pytest.raises(RuntimeError):
        await store.write("a", failing(), content_type=TYPE)
    with pytest.raises(RuntimeError):
        await store.write("b", failing(), content_type=TYPE)
    assert await content_of(store, "a") == b"old"
    assert await store.stat("b") is None


async def test_a_reader_sees_the_old_object_or_the_new_one(store: ObjectStore) -> None:
    versions = [bytes([letter]) * 300_000 for letter in b"ab"]
    await put(store, "a", versions[0])
    writing = True

    async def write() -> None:
        nonlocal writing
        for turn in range(10):
            await put(store, "a", versions[turn % 2])
        writing = False

    async def read() -> None:
        while writing:
            assert await content_of(store, "a") in versions

    await asyncio.gather(write(), read(), read())


async def test_a_big_object_goes_in_and_out_in_small_pieces(store: ObjectStore, tmp_path: Path) -> None:
    piece = os.urandom(1024 * 1024)
    await store.write("big", stream(*[piece] * 40), content_type=TYPE)
    digest, size, largest = hashlib.sha256(), 0, 0
    async for chunk in store.read("big"):
        digest.update(chunk)
        size, largest = size + len(chunk), max(largest, len(chunk))
    assert (digest.digest(), size) == (hashlib.sha256(piece * 40).digest(), 40 * len(piece))
    assert largest <= 1024 * 1024
    await store.download("big", tmp_path / "big")
    await store.write("again", tmp_path / "big", content_type=TYPE)
    found = await store.stat("again")
    assert found is not None
    assert found.size_bytes == size


# Copies


async def test_a_copy_has_the_content_and_the_new_type(store: ObjectStore) -> None:
    etag = await put(store, "staging/1/a", b"content", "text/plain")
    await store.copy("staging/1/a", "files/1/same", match_etag=etag)
    copied = await store.copy("staging/1/a", "files/1/typed", match_etag=etag, content_type="image/png")
    same, typed = await store.stat("files/1/same"), await store.stat("files/1/typed")
    assert same is not None
    assert typed is not None
    assert (same.content_type, typed.content_type) == ("text/plain", "image/png")
    assert (typed.size_bytes, typed.etag) == (copied.size_bytes, copied.etag)
    await store.delete(["staging/1/a"])
    assert await content_of(store, "files/1/same") == await content_of(store, "files/1/typed") == b"content"


async def test_a_copy_of_another_version_is_refused(store: ObjectStore) -> None:
    old = await put(store, "staging/1/a", b"judged")
    await put(store, "staging/1/a", b"swapped afterwards")
    with pytest.raises(ObjectChangedError):
        await store.copy("staging/1/a", "files/1/a", match_etag=old)
    assert await store.stat("files/1/a") is None


# Promotion

STAGED, TARGET = "staging/1/token", "files/1/original.bin"


async def staged_object(store: ObjectStore, content: bytes = b"judged") -> ObjectInfo:
    await store.write(STAGED, stream(content), content_type="text/plain", metadata={"id": "7"})
    found = await store.stat(STAGED)
    assert found is not None
    return found


@pytest.mark.parametrize("size", [0, 10, 300_000])
async def test_what_is_promoted_has_content_type_and_metadata_of_the_staged(store: ObjectStore, size: int) -> None:
    content = os.urandom(size)
    promoted = await store.promote(await staged_object(store, content), TARGET)
    found = await store.stat(TARGET)
    assert found is not None
    assert (found.etag, found.size_bytes) == (promoted.etag, promoted.size_bytes) == (promoted.etag, size)
    assert (found.content_type, found.metadata["id"]) == ("text/plain", "7")
    assert await content_of(store, TARGET) == content
    await store.delete([STAGED])
    assert await keys_of(store, "") == [TARGET]


@pytest.mark.parametrize("size", [10, 300_000])
async def test_a_promotion_may_change_the_type(store: ObjectStore, size: int) -> None:
    content = os.urandom(size)
    promoted = await store.promote(await staged_object(store, content), TARGET, content_type="image/png")
    found = await store.stat(TARGET)
    assert found is not None
    assert (found.etag, found.content_type, found.metadata["id"]) == (promoted.etag, "image/png", "7")
    assert promoted.content_type == "image/png"
    await store.delete([STAGED])
    assert await content_of(store, TARGET) == content


async def test_a_second_put_changes_nothing_of_what_was_promoted(store: ObjectStore) -> None:
    await store.promote(await staged_object(store), TARGET)
    await put(store, STAGED, b"swapped afterwards")
    await store.delete([STAGED])
    assert await content_of(store, TARGET) == b"judged"


@pytest.mark.parametrize("second_put", [False, True])
async def test_a_promotion_that_was_done_may_be_asked_for_again(adapter: Adapter, second_put: bool) -> None:
    store = adapter.store
    staged = await staged_object(store)
    promoted = await store.promote(staged, TARGET)
    await store.delete([STAGED])
    if second_put:
        await put(store, STAGED, b"swapped afterwards")
    again = await store.promote(staged, TARGET)
    assert (again.key, again.size_bytes, again.etag) == (TARGET, len(b"judged"), promoted.etag)
    assert await content_of(store, TARGET) == b"judged"
    assert await keys_of(store, "staging/") == ([STAGED] if second_put else [])


async def test_another_version_is_not_promoted(store: ObjectStore) -> None:
    staged = await staged_object(store)
    await put(store, STAGED, b"swapped afterwards")
    with pytest.raises(ObjectChangedError):
        await store.promote(staged, TARGET)
    assert await store.stat(TARGET) is None
    await store.delete([STAGED])
    with pytest.raises(ObjectNotFoundError):
        await store.promote(staged, TARGET)


@pytest.mark.parametrize("size", [10, 300_000])
async def test_a_promotion_replaces_what_an_earlier_one_has_left(store: ObjectStore, size: int) -> None:
    await put(store, TARGET, os.urandom(size + 1))
    content = os.urandom(size)
    await store.promote(await staged_object(store, content), TARGET)
    assert await content_of(store, TARGET) == content


async def test_many_promotions_at_once_each_have_their_own(store: ObjectStore) -> None:
    keys = [f"staging/{number}/token" for number in range(20)]
    await asyncio.gather(*[put(store, key, key.encode()) for key in keys])
    staged = [found for key in keys if (found := await store.stat(key))]
    await asyncio.gather(*[store.promote(info, f"files/{number}/original") for number, info in enumerate(staged)])
    contents = await asyncio.gather(*[content_of(store, f"files/{number}/original") for number in range(20)])
    assert contents == [key.encode() for key in keys]


# Deleting and listing


async def test_deleting_takes_what_is_there(store: ObjectStore) -> None:
    await put(store, "a/b")
    await put(store, "a/c")
    await store.delete(["a/b", "a/none", "none"])
    await store.delete([])
    assert await keys_of(store, "") == ["a/c"]
    await put(store, "a/b")
    assert await keys_of(store, "") == ["a/b", "a/c"]


async def test_a_list_is_in_key_order_below_its_prefix(store: ObjectStore) -> None:
    keys = ["a", "a-b", "a.b", "ab/c", "ab/c-d/e", "ab/d", "b"]
    for key in reversed(keys):
        await put(store, key)
    assert await keys_of(store, "") == sorted(keys)
    assert await keys_of(store, "ab/") == ["ab/c", "ab/c-d/e", "ab/d"]
    assert await keys_of(store, "a") == sorted(keys)[:-1]
    assert await keys_of(store, "ab/c-") == ["ab/c-d/e"]
    assert await keys_of(store, "none/") == []
    assert await keys_of(store, "", after="ab/c") == ["ab/c-d/e", "ab/d", "b"]
    assert await keys_of(store, "ab/", after="ab/c-d/e") == ["ab/d"]


async def test_a_list_tells_size_and_etag(store: ObjectStore) -> None:
    etag = await put(store, "a/b", b"four")
    [page] = [page async for page in store.list("a/")]
    assert [(found.size_bytes, found.etag) for found in page] == [(4, etag)]


async def test_a_prefix_of_more_than_a_page_is_deleted(store: ObjectStore) -> None:
    keys = [f"many/{number:04}" for number in range(1003)]
    for start in range(0, len(keys), 50):
        await asyncio.gather(*[put(store, key, b"") for key in keys[start : start + 50]])
    pages = [len(page) async for page in store.list("many/")]
    assert (sum(pages), max(pages)) == (1003, 1000)
    await put(store, "many-others", b"")
    assert await delete_prefix(store, "many/") == 1003
    assert await keys_of(store, "many") == ["many-others"]


# Upload URLs

BODY = b"0123456789"
HEADERS = {"Content-Type": "video/mp4", "x-amz-meta-id": "7"}


@dataclass
class Upload:
    """A PUT that a URL was signed for; a test changes one thing of it."""

    url: str
    key: str
    method: str = "PUT"
    body: bytes = BODY
    headers: dict[str, str] | None = None

    async def status(self) -> int:
        headers = dict(HEADERS) if self.headers is None else self.headers
        skip = {"Content-Type", "Accept-Encoding", "User-Agent"}
        async with aiohttp.ClientSession(skip_auto_headers=skip) as client:
            url = URL(self.url, encoded=True)
            async with client.request(self.method, url, data=self.body, headers=headers) as response:
                text = await response.text()
                assert response.status == 200 or "<Code>" in text
                return response.status


def sign(store: ObjectStore, now: datetime | None = None) -> Upload:
    key = f"staging/{uuid4()}/token"
    url = store.presign_put(key, expires_in=timedelta(minutes=15), headers=HEADERS, content_length=len(BODY), now=now)
    return Upload(url, key)


async def test_the_upload_that_was_signed_for_is_stored(store: ObjectStore) -> None:  # J-23
    upload = sign(store)
    assert await upload.status() == 200
    found = await store.stat(upload.key)
    assert found is not None
    assert (found.size_bytes, found.content_type, found.metadata["id"]) == (10, "video/mp4", "7")
    assert await content_of(store, upload.key) == BODY


async def test_a_url_is_good_for_a_second_upload_until_it_expires(store: ObjectStore) -> None:
    upload = sign(store)
    assert [await upload.status(), await upload.status()] == [200, 200]


async def test_a_body_of_another_length_is_refused(store: ObjectStore) -> None:
    for body in (BODY + b"!", BODY[:-1], b""):
        upload = sign(store)
        upload.body = body
        assert await upload.status() == 403
        assert await store.stat(upload.key) is None


@pytest.mark.parametrize("changed", [{"Content-Type": "video/webm"}, {"x-amz-meta-id": "8"}])
async def test_another_value_of_a_bound_header_is_refused(store: ObjectStore, changed: dict[str, str]) -> None:  # E-15
    upload = sign(store)
    upload.headers = HEADERS | changed
    assert await upload.status() == 403
    assert await store.stat(upload.key) is None


@pytest.mark.parametrize("missing", list(HEADERS))
async def test_a_missing_bound_header_is_refused(store: ObjectStore, missing: str) -> None:  # E-15
    upload = sign(store)
    upload.headers = {name: value for name, value in HEADERS.items() if name != missing}
    assert await upload.status() == 403
    assert await store.stat(upload.key) is None


async def test_an_expired_url_is_refused(adapter: Adapter) -> None:  # E-11, J-13
    upload = sign(adapter.store, now=datetime.now(UTC) - timedelta(minutes=15, seconds=1))
    assert await upload.status() == (400 if "expired" in adapter.deviates else 403)
    assert await adapter.store.stat(upload.key) is None


async def test_a_url_for_one_key_is_none_for_another(store: ObjectStore) -> None:
    upload, other = sign(store), f"staging/{uuid4()}/token"
    upload.url = upload.url.replace(upload.key, other)
    assert await upload.status() == 403
    assert await store.stat(other) is None


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_a_url_for_a_put_is_none_for_another_method(store: ObjectStore, method: str) -> None:
    upload = sign(store)
    assert await upload.status() == 200
    upload.method = method
    assert await upload.status() in (400, 403, 405)
    assert await content_of(store, upload.key) == BODY


async def test_a_changed_signature_is_refused(store: ObjectStore) -> None:
    upload = sign(store)
    upload.url = upload.url[:-1] + ("0" if upload.url[-1] != "0" else "1")
    assert await upload.status() == 403


async def test_a_longer_life_than_the_signed_one_is_refused(store: ObjectStore) -> None:
    upload = sign(store)
    upload.url = upload.url.replace("X-Amz-Expires=900", "X-Amz-Expires=90000")
    assert await upload.status() == 403


async def test_an_unsigned_amazon_header_is_refused(store: ObjectStore) -> None:
    await put(store, "files/of-another-tenant", b"secret")
    for name, value in (("x-amz-copy-source", "/storage/files/of-another-tenant"), ("x-amz-acl", "public-read")):
        upload = sign(store)
        upload.headers = {**HEADERS, name: value}
        assert await upload.status() == 403
        assert await store.stat(upload.key) is None


async def test_a_store_that_is_open_can_be_used(store: ObjectStore) -> None:
    await store.check()

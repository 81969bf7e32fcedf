"""The disk store's upload URLs with digests in the request: what arrives damaged is refused and leaves nothing."""

import base64
import hashlib
import os
import re
import zlib
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import aiohttp
import anycrc
import google_crc32c
import pytest
import pytest_asyncio
from yarl import URL

from libs.object_store import disk_multipart
from tests.integration.libs.object_store import disk_server
from tests.integration.libs.object_store.disk_server import Disk

KEY = "staging/1/token"
SOON = timedelta(minutes=5)
DIGESTS: dict[str, Callable[[bytes], bytes]] = {
    "Content-MD5": lambda body: hashlib.md5(body).digest(),
    "x-amz-checksum-crc32": lambda body: zlib.crc32(body).to_bytes(4, "big"),
    "x-amz-checksum-crc32c": lambda body: google_crc32c.value(body).to_bytes(4, "big"),
    "x-amz-checksum-crc64nvme": lambda body: anycrc.Model("CRC64-NVME").calc(body).to_bytes(8, "big"),
    "x-amz-checksum-sha1": lambda body: hashlib.sha1(body).digest(),
    "x-amz-checksum-sha256": lambda body: hashlib.sha256(body).digest(),
}

headers = pytest.mark.parametrize("header", DIGESTS)
sizes = pytest.mark.parametrize("size", [100, 300 * 1024], ids=["read", "from the socket"])


@pytest_asyncio.fixture
async def disk(tmp_path: Path) -> AsyncIterator[Disk]:
    async with disk_server.running(tmp_path / "store") as disk:
        yield disk


def stated(header: str, body: bytes) -> dict[str, str]:
    return {header: base64.b64encode(DIGESTS[header](body)).decode()}


async def put(url: str, body: bytes, headers: dict[str, str]) -> tuple[int, str, str]:
    """Status, and the code and message of the refusal."""
    async with aiohttp.ClientSession() as client, client.put(URL(url, encoded=True), data=body, headers=headers) as response:
        text = await response.text()
        assert response.headers["Access-Control-Allow-Origin"] == "*"
    code, message = ("".join(re.findall(f"<{tag}>(.*?)</{tag}>", text)) for tag in ("Code", "Message"))
    return response.status, code, message


@headers
@sizes
async def test_a_body_is_stored_only_with_the_digest_that_is_stated(disk: Disk, header: str, size: int) -> None:
    body = os.urandom(size)
    url = disk.store.presign_put(KEY, expires_in=SOON, headers={}, content_length=size)

    assert (await put(url, body, stated(header, b"other")))[:2] == (400, "BadDigest")
    assert (await put(url, body, {header: "AAAA"}))[:2] == (400, "InvalidDigest")
    assert not disk.files()
    assert not disk.notices
    assert (await put(url, body, stated(header, body)))[:2] == (200, "")
    assert b"".join([chunk async for chunk in disk.store.read(KEY)]) == body


@headers
@sizes
@pytest.mark.parametrize("placed", [True, False])
async def test_a_part_counts_only_with_the_digest_that_is_stated(
    disk: Disk, header: str, size: int, placed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if placed:
        monkeypatch.setattr(disk_multipart, "MIN_PART_BYTES", 5)
    body = os.urandom(size)
    multipart_id = await disk.store.start_multipart(KEY, content_type="text/plain")
    url = disk.store.presign_parts(KEY, multipart_id, [1], expires_in=SOON)[0]

    assert (await put(url, b"x" * size, stated(header, body)))[:2] == (400, "BadDigest")
    assert (await put(url, body, {header: "x"}))[:2] == (400, "InvalidDigest")
    assert await disk.store.list_parts(KEY, multipart_id) == []
    assert (await put(url, body, stated(header, body)))[:2] == (200, "")
    assert (await put(url, b"x" * size, stated(header, body)))[:2] == (400, "BadDigest")
    await disk.store.complete_multipart(KEY, multipart_id, await disk.store.list_parts(KEY, multipart_id))
    assert b"".join([chunk async for chunk in disk.store.read(KEY)]) == body


async def test_a_checksum_that_the_url_binds_must_be_sent_and_be_that_of_the_body(disk: Disk) -> None:
    bound = stated("x-amz-checksum-sha256", b"hello")
    url = disk.store.presign_put(KEY, expires_in=SOON, headers=bound)

    status, code, message = await put(url, b"hello", {})
    assert (status, code) == (403, "SignatureDoesNotMatch")
    assert "x-amz-checksum-sha256" in message
    assert (await put(url, b"olleh", stated("x-amz-checksum-sha256", b"olleh")))[:2] == (403, "SignatureDoesNotMatch")
    assert (await put(url, b"olleh", bound))[:2] == (400, "BadDigest")
    assert not disk.files()
    assert (await put(url, b"hello", bound))[0] == 200


async def test_checksum_headers_that_contradict_each_other_are_refused(disk: Disk) -> None:
    url = disk.store.presign_put(KEY, expires_in=SOON, headers={})
    algorithm = {"x-amz-sdk-checksum-algorithm": "CRC32C"}

    assert (await put(url, b"hello", algorithm))[:2] == (400, "InvalidRequest")
    assert not disk.files()
    assert (await put(url, b"hello", algorithm | stated("x-amz-checksum-crc32c", b"hello")))[0] == 200


@pytest.mark.parametrize(
    "streaming",
    [
        {"Content-Encoding": "aws-chunked", "x-amz-decoded-content-length": "5"},
        {"x-amz-trailer": "x-amz-checksum-crc32c", "x-amz-sdk-checksum-algorithm": "CRC32C"},
        {"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"},
    ],
)
async def test_a_body_in_aws_chunked_framing_is_refused_with_what_to_do(disk: Disk, streaming: dict[str, str]) -> None:
    url = disk.store.presign_put(KEY, expires_in=SOON, headers={})
    body = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32c:mnG7TA==\r\n\r\n"

    status, code, message = await put(url, body, streaming)

    assert (status, code) == (501, "NotImplemented")
    assert "aws-chunked" in message and "x-amz-checksum-*" in message
    assert not disk.files()


async def test_a_refusal_names_the_headers_that_are_missing(disk: Disk) -> None:  # E-15
    bound = {"Content-Type": "audio/mp4", "x-amz-meta-file-id": "1", "x-amz-tagging": "a=b"}
    url = disk.store.presign_put(KEY, expires_in=SOON, headers=bound)

    status, code, message = await put(url, b"hello", {"Content-Type": "audio/mp4"})

    assert (status, code) == (403, "SignatureDoesNotMatch")
    assert "x-amz-meta-file-id, x-amz-tagging" in message
    assert "content-type" not in message
    assert not disk.files()


async def test_a_refusal_names_the_headers_that_are_too_many(disk: Disk) -> None:
    url = disk.store.presign_put(KEY, expires_in=SOON, headers={})

    status, code, message = await put(url, b"hello", {"X-Amz-Acl": "public-read", "x-amz-meta-a": "b"})

    assert (status, code) == (403, "AccessDenied")
    assert "x-amz-acl, x-amz-meta-a" in message
    assert not disk.files()

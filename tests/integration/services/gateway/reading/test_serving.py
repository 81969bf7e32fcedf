"""How files are served: what caches may keep, conditions, ranges, and clients that go away; small ones, large ones, images."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web
from PIL import Image

from libs.object_store.disk import DiskStore
from libs.object_store.port import PeekedObject
from services.gateway.files.image import ImageMaker, Made
from services.gateway.files.lookup import FileLookup
from services.gateway.files.object_cache import SMALL_BYTES, ObjectCache, ServedObject
from services.gateway.store import ServedFileStore
from tests.integration.libs.object_store.test_disk_http import self_signed
from tests.integration.services.gateway.cdn.picture import decoded
from tests.integration.services.gateway.reading.address import (
    KINDS,
    LINK_SECONDS,
    NEVER_CHANGES,
    PHOTO,
    Kind,
    published,
    stream,
)

if TYPE_CHECKING:
    from tests.integration.services.gateway.faces.conftest import Gateway

Open = Callable[..., Awaitable["Gateway"]]
YEAR = 365 * 86400
LARGE = bytes(range(256)) * 2**15 + b"more than a quantum of the socket, or a chunk of a store"


def max_age(cache_control: str) -> int:
    return int(cache_control.partition("max-age=")[2].partition(",")[0])


async def cache_control_of(gateway: "Gateway", path: str) -> str:
    async with gateway.client.get(path) as response:
        assert response.status == 200
        assert response.headers["ETag"].startswith('"'), "strong"
        return response.headers["Cache-Control"]


@pytest.mark.parametrize("kind", KINDS)
async def test_what_caches_may_keep_depends_on_what_the_address_promises(gateway: "Gateway", kind: Kind) -> None:
    cache_control = await cache_control_of(gateway, (await published(gateway, kind)).path)
    if kind in NEVER_CHANGES:
        assert cache_control == f"public, max-age={YEAR}, immutable"
    elif kind == "download":
        assert cache_control.startswith("private, max-age=")
        assert LINK_SECONDS - 60 < max_age(cache_control) <= LINK_SECONDS
    else:
        assert cache_control == "no-cache"


@pytest.mark.parametrize("kind", ["rendition", "image", "download"])
async def test_nothing_may_be_kept_longer_than_its_file(gateway: "Gateway", kind: Kind) -> None:
    address = await published(gateway, kind, file_expires_at=datetime.now(UTC) + timedelta(seconds=200))
    cache_control = await cache_control_of(gateway, address.path)
    assert 140 < max_age(cache_control) <= 200
    assert cache_control.startswith("private" if kind == "download" else "public")


async def test_an_operator_may_have_caches_ask_each_time(open_gateway: Open) -> None:
    gateway = await open_gateway(gateway_cache_seconds=0)
    assert await cache_control_of(gateway, (await published(gateway, "segment")).path) == "no-cache"
    assert await cache_control_of(gateway, (await published(gateway, "download")).path) == "private, no-cache"


@pytest.mark.parametrize("kind", KINDS)
async def test_conditions_hold_for_every_address(gateway: "Gateway", kind: Kind) -> None:
    path = (await published(gateway, kind)).path
    async with gateway.client.get(path) as response:
        body, given = await response.read(), response.headers
    etag, modified = given["ETag"], given["Last-Modified"]
    conditions: list[tuple[dict[str, str], int]] = [
        ({"If-None-Match": etag}, 304),
        ({"If-None-Match": f'"other", W/{etag}'}, 304),
        ({"If-None-Match": '"other"', "If-Modified-Since": modified}, 200),
        ({"If-Modified-Since": modified}, 304),
        ({"If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}, 200),
        ({"If-Match": '"other"'}, 412),
        ({"If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}, 412),
        ({"Range": "bytes=1-3"}, 206),
        ({"Range": "bytes=1-3", "If-Range": etag}, 206),
        ({"Range": "bytes=1-3", "If-Range": '"other"'}, 200),
        ({"Range": f"bytes={len(body)}-"}, 416),
    ]
    for headers, status in conditions:
        async with gateway.client.get(path, headers=headers) as response:
            assert response.status == status, headers
            content = await response.read()
            if status in (200, 206):
                assert content == (body if status == 200 else body[1:4])
            if status in (200, 206, 304):
                assert response.headers["ETag"] == etag
                assert response.headers["Last-Modified"] == modified
                same = max_age(given["Cache-Control"]) - 60 if "max-age" in given["Cache-Control"] else None
                kept = response.headers["Cache-Control"]
                assert kept == given["Cache-Control"] if same is None or "immutable" in kept else max_age(kept) > same
            if status == 304:
                assert content == b""


@pytest.mark.parametrize("size", [0, 1, SMALL_BYTES, SMALL_BYTES + 1, len(LARGE)])
async def test_a_file_of_any_size_is_served_whole_and_in_pieces(gateway: "Gateway", size: int) -> None:
    body = LARGE[:size]
    path = (await published(gateway, "public", body)).path
    async with gateway.client.get(path) as response:
        assert (response.status, response.headers["Content-Length"]) == (200, str(size))
        assert await response.read() == body
    async with gateway.client.head(path) as response:
        assert (response.status, response.headers["Content-Length"]) == (200, str(size))
    for start, stop in ((0, 1), (size // 3, size), (max(0, size - 5), size), (1, size)):
        if not start < stop <= size:
            continue
        async with gateway.client.get(path, headers={"Range": f"bytes={start}-{stop - 1}"}) as response:
            assert (response.status, await response.read()) == (206, body[start:stop])
            assert response.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{size}"
            assert response.headers["Content-Length"] == str(stop - start)


async def test_a_large_object_that_was_stored_once_more_is_served_as_it_is_now(gateway: "Gateway") -> None:
    """A promotion that is repeated stores the same object again; it has another ETag then."""
    address = await published(gateway, "public", LARGE)
    async with gateway.client.get(address.path) as response:
        await response.read()
    again = LARGE[::-1]
    await gateway.store.delete([address.new.object_key])
    await gateway.store.write(address.new.object_key, stream(again), content_type="image/png")
    async with gateway.client.get(address.path) as response:
        assert (response.status, await response.read()) == (200, again)


@pytest.mark.parametrize("store", ["disk"], indirect=True)
async def test_a_large_file_comes_over_tls_too(gateway: "Gateway", tmp_path: Path) -> None:
    path = (await published(gateway, "public", LARGE)).path
    runner = gateway.client.server.runner
    assert runner is not None
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self_signed(tmp_path)).start()
    port = runner.addresses[-1][1]
    trusting = ssl.create_default_context(cafile=tmp_path / "certificate")
    trusting.check_hostname = False
    async with aiohttp.ClientSession() as http:
        for headers, expected in (({}, LARGE), ({"Range": "bytes=5-"}, LARGE[5:])):
            async with http.get(f"https://127.0.0.1:{port}{path}", ssl=trusting, headers=headers) as response:
                assert await response.read() == expected


async def test_clients_that_hang_up_leave_nothing_open_and_others_are_served(gateway: "Gateway", tmp_path: Path) -> None:
    path = (await published(gateway, "public", LARGE)).path
    for _ in range(12):
        reader, writer = await asyncio.open_connection(gateway.client.host, gateway.client.port, limit=1000)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")
        writer.transport.abort()
    async with gateway.client.get(path) as response:
        assert await response.read() == LARGE
    async with asyncio.timeout(20):
        while _open_below(tmp_path):
            await asyncio.sleep(0.01)


def _open_below(folder: Path) -> list[str]:
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found.append(str(descriptor.readlink()))
    return [name for name in found if name.startswith(str(folder / "objects"))]


@pytest.mark.parametrize("store", ["disk"], indirect=True)
async def test_who_asks_at_the_same_time_shares_a_statement(gateway: "Gateway", monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[int] = []
    find = ServedFileStore.find

    async def counted(files: ServedFileStore, upload_ids: Any) -> Any:
        batches.append(len(upload_ids))
        return await find(files, upload_ids)

    monkeypatch.setattr(ServedFileStore, "find", counted)
    known = [(await published(gateway, "public")).new.id for _ in range(3)]
    lookup = FileLookup(gateway.outbox.database)
    asked = [*known, uuid4(), known[0]] * 8

    found = await asyncio.gather(*(lookup.by_id(upload_id) for upload_id in asked))  # type: ignore[arg-type]

    assert [file.id if file else None for file in found] == [each if each in known else None for each in asked]
    assert sum(batches) == len(asked)
    assert len(batches) <= 3


@pytest.mark.parametrize("store", ["disk"], indirect=True)
async def test_files_found_by_name_together_are_not_mixed_up(gateway: "Gateway") -> None:
    addresses = [await published(gateway, "named", PHOTO + bytes([number])) for number in range(5)]

    async def content_of(path: str) -> bytes:
        async with gateway.client.get(path) as response:
            return await response.read()

    paths = [address.path for address in addresses]
    assert await asyncio.gather(*map(content_of, paths)) == [address.body for address in addresses]


async def test_an_image_that_is_kept_waits_for_no_other_one(open_gateway: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = await open_gateway(gateway_image_jobs=1, gateway_image_queue=0)
    address = await published(gateway, "image")
    async with gateway.client.get(address.path) as response:
        kept = await response.read()
    begun, may_go_on = asyncio.Event(), asyncio.Event()
    make = ImageMaker.make

    async def held_up(*arguments: Any, **options: Any) -> Made:
        begun.set()
        await may_go_on.wait()
        return await make(*arguments, **options)

    monkeypatch.setattr(ImageMaker, "make", held_up)
    other = asyncio.create_task(_status_of(gateway, f"/{address.new.id}/-/resize/31x/"))
    await begun.wait()
    assert await _status_of(gateway, f"/{address.new.id}/-/resize/30x/") == 503
    async with gateway.client.get(address.path) as response:
        assert (response.status, await response.read()) == (200, kept)
    assert decoded(kept).size == (32, 32)
    may_go_on.set()
    assert await other == 200


@pytest.mark.parametrize("store", ["disk"], indirect=True)
async def test_a_large_image_that_had_to_make_room_elsewhere_is_made_again(gateway: "Gateway") -> None:
    """Another replica may have removed it: what is remembered of it here is no longer true."""
    assert isinstance(gateway.store, DiskStore)
    address = await published(gateway, "cdn", _noise())
    path = f"/{address.new.id}/-/resize/400x/-/format/png/"
    async with gateway.client.get(path) as response:
        image = await response.read()
    assert len(image) > SMALL_BYTES
    keys = [found.key async for page in gateway.store.list(f"files/{address.new.id}/derived/") for found in page]
    await gateway.store.delete(keys)
    async with gateway.client.get(path) as response:
        assert (response.status, len(await response.read())) == (200, len(image))


@pytest.mark.parametrize("store", ["disk"], indirect=True)
async def test_an_image_is_served_although_somebody_looked_for_it_before_it_was_made(
    gateway: "Gateway", monkeypatch: pytest.MonkeyPatch
) -> None:
    path = (await published(gateway, "image")).path
    found: list[PeekedObject | None] = []
    looks, looked, begun, may_go_on, may_tell = [], asyncio.Event(), asyncio.Event(), asyncio.Event(), asyncio.Event()
    make, peek, find = ImageMaker.make, DiskStore.peek, ObjectCache.find

    async def held_up(*arguments: Any, **options: Any) -> Made:
        begun.set()
        await may_go_on.wait()
        return await make(*arguments, **options)

    async def tells_late(store: DiskStore, key: str, max_bytes: int) -> PeekedObject | None:
        found.append(await peek(store, key, max_bytes))
        if len(found) == 2:
            looked.set()
            await may_tell.wait()
            return None
        return found[-1]

    async def watched(objects: ObjectCache, key: str) -> ServedObject | None:
        looks.append(key)
        if len(looks) == 3:  # whose image was made shares the look of the second one
            may_tell.set()
        return await find(objects, key)

    monkeypatch.setattr(ImageMaker, "make", held_up)
    monkeypatch.setattr(DiskStore, "peek", tells_late)
    monkeypatch.setattr(ObjectCache, "find", watched)
    first = asyncio.create_task(_status_of(gateway, path))
    await begun.wait()
    second = asyncio.create_task(_status_of(gateway, path))
    await looked.wait()
    may_go_on.set()

    assert [await first, await second] == [200, 200]
    assert found[:2] == [None, None]


def _noise() -> bytes:
    content = BytesIO()
    Image.effect_noise((400, 400), 100).save(content, "PNG")
    return content.getvalue()


async def _status_of(gateway: "Gateway", path: str) -> int:
    async with gateway.client.get(path) as response:
        return response.status

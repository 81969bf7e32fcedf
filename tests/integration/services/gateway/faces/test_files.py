"""File delivery: what is published, what is not, and every way to ask for it."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from contracts.events import FileDeleted, FileExpired, Stage, UploadRejected
from libs.web.signed_link import PURPOSE, LinkSigner
from services.gateway.domain.registration import Registration
from services.gateway.files import soon
from services.gateway.store import UploadStore

if TYPE_CHECKING:
    from tests.integration.services.gateway.faces.conftest import Gateway

BODY = bytes(range(256)) * 40


def about(new: Registration, version: Stage) -> dict[str, Any]:
    return {"upload_id": new.id, "tenant_id": new.tenant_id, "version": version}


async def status_of(gateway: "Gateway", path: str) -> int:
    async with gateway.client.get(path) as response:
        if response.status == 404:
            problem = await response.json(content_type="application/problem+json")
            assert (problem["code"], problem["detail"]) == ("not_found", "There is no such file.")
        return response.status


async def test_a_public_file_is_readable_only_when_ready(gateway: "Gateway") -> None:  # E-12
    tenant = await gateway.tenant("key")
    new = await gateway.register(tenant)
    path = f"/public/{new.id}.png"
    assert await status_of(gateway, path) == 404
    await gateway.completed(new, BODY)
    assert await status_of(gateway, path) == 404
    await gateway.ready(new)
    assert await status_of(gateway, path) == 200
    assert await status_of(gateway, f"/public/{new.id}") == 404
    assert await status_of(gateway, f"/public/{new.id}.jpg") == 404
    assert await status_of(gateway, f"/public/{str(new.id).upper()}.png") == 404


@pytest.mark.parametrize("path", ["/public/{id}.png", "/renditions/{id}/thumbnail.jpg"])
async def test_who_was_told_of_a_file_before_the_gateway_waits_for_it(
    gateway: "Gateway", path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A webhook's receiver asks at once, and the event to the gateway takes a little longer."""
    looked = asyncio.Event()
    monkeypatch.setattr(soon, "PAUSES", _pauses(looked))
    new = await gateway.register(await gateway.tenant("key"))
    await gateway.completed(new, BODY)
    await gateway.store.write(f"files/{new.id}/renditions/thumbnail.jpg", _chunks(BODY), content_type="image/jpeg")

    asked = asyncio.create_task(status_of(gateway, path.format(id=new.id)))
    await looked.wait()
    await gateway.ready(new)

    assert await asked == 200


async def test_who_asks_right_after_the_upload_gets_the_file_once_it_is_verified(
    gateway: "Gateway", monkeypatch: pytest.MonkeyPatch
) -> None:  # J-12
    waited, looked = asyncio.Event(), asyncio.Event()
    monkeypatch.setattr(soon, "PAUSES", _pauses(waited))
    tenant = await gateway.tenant("key")
    new = await gateway.register(tenant, "json2video", folder="videos", name="clip.mp4", content_type="video/mp4")
    path = f"/{tenant.client_id}/files/videos/clip.mp4"
    assert await status_of(gateway, path) == 404
    assert not waited.is_set(), "nothing has come: there is nothing to wait for"
    monkeypatch.setattr(soon, "PAUSES", _pauses(looked))
    await gateway.store.write(new.staging_key, _chunks(BODY), content_type="video/mp4")

    asked = asyncio.create_task(status_of(gateway, path))
    await looked.wait()
    await gateway.completed(new, BODY)

    assert await asked == 200


def _pauses(looked: asyncio.Event) -> Iterator[float]:
    yield 0
    looked.set()
    yield from itertools.repeat(0.01, 3000)


async def _chunks(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def test_a_named_file_is_readable_from_its_verification_on(gateway: "Gateway") -> None:  # J-12
    tenant = await gateway.tenant("key")
    new = await gateway.register(tenant, "json2video", folder="videos/raw", name="clip.mp4", content_type="video/mp4")
    path = f"/{tenant.client_id}/files/videos/raw/clip.mp4"
    assert await status_of(gateway, path) == 404
    await gateway.completed(new, BODY)
    async with gateway.client.get(path) as response:
        assert (response.status, response.content_type) == (200, "video/mp4")
        assert await response.read() == BODY
    assert await status_of(gateway, f"/public/{new.id}.png") == 404
    assert await status_of(gateway, "/c0000000000000000/files/videos/raw/clip.mp4") == 404
    assert await status_of(gateway, f"/{tenant.client_id}/files/videos/clip.mp4") == 404


async def test_a_rejected_file_is_never_readable(gateway: "Gateway") -> None:
    tenant = await gateway.tenant("key")
    new = await gateway.register(tenant)
    await gateway.happened(UploadRejected(**about(new, Stage.CLOSED), code="size_mismatch", message="no"))
    assert await status_of(gateway, f"/public/{new.id}.png") == 404


async def test_a_deleted_file_is_gone_with_the_next_request(gateway: "Gateway") -> None:
    tenant = await gateway.tenant("key")
    given_up, deleted, expired = [await gateway.published(tenant, BODY) for _ in range(3)]
    async with gateway.outbox.database.transaction() as connection:
        await UploadStore(connection).give_up(given_up.id, datetime.now(UTC))
    await gateway.happened(FileDeleted(**about(deleted, Stage.REMOVED)), FileExpired(**about(expired, Stage.REMOVED)))
    for new in (given_up, deleted, expired):
        assert await status_of(gateway, f"/public/{new.id}.png") == 404


async def test_a_file_is_unreadable_from_the_moment_it_expires(gateway: "Gateway") -> None:  # E-13
    tenant = await gateway.tenant("key")
    new = await gateway.published(tenant, BODY, file_expires_at=datetime.now(UTC) - timedelta(seconds=1))
    assert await status_of(gateway, f"/public/{new.id}.png") == 404


async def test_a_file_that_the_store_lost_is_not_found(gateway: "Gateway") -> None:
    tenant = await gateway.tenant("key")
    new = await gateway.published(tenant, BODY)
    await gateway.store.delete([new.object_key])
    assert await status_of(gateway, f"/public/{new.id}.png") == 404


async def test_renditions_are_readable_when_ready(gateway: "Gateway") -> None:
    tenant = await gateway.tenant("key")
    new = await gateway.register(tenant, content_type="video/mp4", extension=".mp4")
    await gateway.completed(new, BODY)

    async def chunks() -> AsyncIterator[bytes]:
        yield b"#EXTM3U"

    for name in ("hls/master.m3u8", "hls/720p/00001.ts"):
        await gateway.store.write(f"files/{new.id}/renditions/{name}", chunks(), content_type="application/octet-stream")
    path = f"/renditions/{new.id}/hls/master.m3u8"
    assert await status_of(gateway, path) == 404
    await gateway.ready(new, "video/mp4")
    async with gateway.client.get(path) as response:
        assert (response.status, response.content_type) == (200, "application/vnd.apple.mpegurl")
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert await response.read() == b"#EXTM3U"
    async with gateway.client.get(f"/renditions/{new.id}/hls/720p/00001.ts") as response:
        assert (response.status, response.content_type) == (200, "video/mp2t")
    for other in ("hls", "hls/", "..%2foriginal.mp4", ".hidden", "hls//master.m3u8", "ü", "a" * 300, "a/" * 600 + "a"):
        assert await status_of(gateway, f"/renditions/{new.id}/{other}") == 404


@pytest.mark.parametrize(
    "name", ["", "x", "%00", "%ff", "..", "%2e%2e%2fetc", "0" * 36, "a" * 4000, "00000000-0000-0000-0000-000000000000.png"]
)
async def test_odd_names_are_not_found(gateway: "Gateway", name: str) -> None:
    for path in (f"/public/{name}", f"/c0123456789abcdef/files/{name}", f"/renditions/{name}/{name}"):
        async with gateway.client.get(path) as response:
            assert response.status == 404


async def test_the_head_of_a_file_tells_what_it_is(gateway: "Gateway") -> None:
    tenant = await gateway.tenant("key")
    new = await gateway.published(tenant, BODY)
    path = f"/public/{new.id}.png"
    async with gateway.client.get(path) as got, gateway.client.head(path) as head:
        assert await got.read() == BODY
        assert await head.read() == b""
        own = {"Date", "X-Request-ID"}
        assert {k: v for k, v in got.headers.items() if k not in own} == {k: v for k, v in head.headers.items() if k not in own}
        assert got.headers["Content-Length"] == str(len(BODY))
        assert got.headers["Content-Type"] == "image/png"
        assert got.headers["Content-Disposition"] == f'inline; filename="{new.id}.png"'
        assert got.headers["Accept-Ranges"] == "bytes"
        assert got.headers["X-Content-Type-Options"] == "nosniff"
        assert got.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
        assert got.headers["Cache-Control"] == "no-cache"
        assert got.headers["ETag"].startswith('"')


async def test_what_a_browser_could_run_is_never_shown(gateway: "Gateway") -> None:
    tenant = await gateway.tenant("key")
    new = await gateway.register(tenant, "json2video", name="page.png", content_type="image/png")
    await gateway.completed(new, b"<script>")
    await gateway.ready(new, "text/html")
    async with gateway.client.get(f"/{tenant.client_id}/files/page.png") as response:
        assert response.content_type == "text/html"
        assert response.headers["Content-Disposition"] == 'attachment; filename="page.png"'


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-199", 100, 200),
        ("bytes=10000-", 10000, 10240),
        ("bytes=-40", 10200, 10240),
        ("bytes=10000-99999", 10000, 10240),
    ],
)
async def test_one_range_is_answered_with_these_bytes(gateway: "Gateway", header: str, start: int, end: int) -> None:
    tenant = await gateway.tenant("key")
    new = await gateway.published(tenant, BODY)
    async with gateway.client.get(f"/public/{new.id}.png", headers={"Range": header}) as response:
        assert response.status == 206
        assert await response.read() == BODY[start:end]
        assert response.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(BODY)}"
        assert response.headers["Content-Length"] == str(end - start)


async def test_conditions_and_ranges_together(gateway: "Gateway") -> None:
    tenant = await gateway.tenant("key")
    new = await gateway.published(tenant, BODY)
    path = f"/public/{new.id}.png"
    async with gateway.client.head(path) as response:
        etag, modified = response.headers["ETag"], response.headers["Last-Modified"]
    expected: list[tuple[dict[str, str], int]] = [
        ({"If-None-Match": etag}, 304),
        ({"If-None-Match": f"W/{etag}"}, 304),
        ({"If-None-Match": '"other"'}, 200),
        ({"If-Modified-Since": modified}, 304),
        ({"If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}, 200),
        ({"If-Match": '"other"'}, 412),
        ({"If-Match": etag}, 200),
        ({"Range": "bytes=0-1", "If-Range": etag}, 206),
        ({"Range": "bytes=0-1", "If-Range": '"other"'}, 200),
        ({"Range": "bytes=0-1", "If-Range": modified}, 206),
        ({"Range": "bytes=0-1", "If-None-Match": etag}, 304),
        ({"Range": "bytes=0-1,5-6"}, 200),
        ({"Range": "bytes=99999-"}, 416),
        ({"Range": "lines=1-2"}, 200),
    ]
    for headers, status in expected:
        async with gateway.client.get(path, headers=headers) as response:
            assert response.status == status, headers
            assert response.headers["Access-Control-Allow-Origin"] == "*"
            assert {"Content-Range", "ETag"} <= exposed(response.headers)
            if status in (200, 304):
                assert response.headers["ETag"] == etag
            if status == 416:
                assert response.headers["Content-Range"] == f"bytes */{len(BODY)}"
    async with gateway.client.head(path, headers={"Range": "bytes=0-1"}) as response:
        assert response.status == 200


def exposed(headers: Mapping[str, str]) -> set[str]:
    """The headers that a script in a page of another site may read."""
    return {name.strip() for name in headers["Access-Control-Expose-Headers"].split(",")}


async def test_an_empty_file_has_no_ranges(gateway: "Gateway") -> None:
    tenant = await gateway.tenant("key")
    new = await gateway.published(tenant, b"")
    for headers, status in (({}, 200), ({"Range": "bytes=0-"}, 416), ({"Range": "bytes=-5"}, 200)):
        async with gateway.client.get(f"/public/{new.id}.png", headers=headers) as response:
            assert response.status == status


async def test_browsers_may_ask_from_other_sites(gateway: "Gateway") -> None:
    for path in ("/public/x", "/c0123456789abcdef/files/x", "/renditions/x/y"):
        async with gateway.client.options(path, headers={"Origin": "https://player.test"}) as response:
            assert response.status == 204
            allowed = {name.strip() for name in response.headers["Access-Control-Allow-Headers"].split(",")}
            assert {"Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"} <= allowed
            assert response.headers["Access-Control-Allow-Origin"] == "*"
        async with gateway.client.get(path) as response:
            assert response.headers["Access-Control-Allow-Origin"] == "*"
            assert {"Retry-After", "X-Request-Id"} <= exposed(response.headers)
        async with gateway.client.post(path) as response:
            assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
            assert response.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("query", ["", "?expires=1&signature=00", "?expires=x&signature=%C3%BC"])
async def test_a_page_of_another_site_may_read_why_a_link_is_refused(gateway: "Gateway", query: str) -> None:
    async with gateway.client.get(f"/downloads/{uuid4()}{query}") as response:
        assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (403, "*")
        assert "X-Request-Id" in exposed(response.headers)


async def test_an_object_that_is_cut_off_midway_breaks_the_connection(gateway: "Gateway", tmp_path: Path) -> None:
    tenant = await gateway.tenant("key")
    body = b"x" * (8 * 2**20)
    new = await gateway.published(tenant, body)
    largest = max((p for p in (tmp_path / "objects").rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    async with gateway.client.get(f"/public/{new.id}.png") as response:
        await response.content.readexactly(1)
        with largest.open("r+b") as file:
            file.truncate(4 * 2**20)
        with pytest.raises(Exception, match=r"payload|closed|reset"):
            await response.read()
    async with gateway.client.get("/public/x") as response:
        assert response.status == 404


async def test_a_signed_link_leads_to_any_verified_file_until_it_ends(gateway: "Gateway") -> None:
    tenant = await gateway.tenant("key")
    new = await gateway.register(tenant, "json2video", folder="videos", name="clip.mp4", content_type="video/mp4")
    now = datetime.now(UTC)
    links = LinkSigner("", gateway.secrets_box.derived(PURPOSE))
    link, ended = [links.url(new.id, now + timedelta(minutes=minutes)) for minutes in (5, -5)]
    assert await status_of(gateway, link) == 404
    await gateway.completed(new, BODY)
    async with gateway.client.get(link, headers={"Range": "bytes=10-19"}) as response:
        assert (response.status, response.content_type) == (206, "video/mp4")
        assert await response.read() == BODY[10:20]
        assert "clip.mp4" in response.headers["Content-Disposition"]
    async with gateway.client.head(link) as response:
        assert (response.status, response.content_length) == (200, len(BODY))
    other = await gateway.register(tenant)
    for refused in (
        ended,
        f"/downloads/{new.id}",
        link.replace("expires=", "expires=1"),
        link.replace(str(new.id), str(other.id)),
    ):
        async with gateway.client.get(refused) as response:
            assert response.status == 403
            assert (await response.json(content_type="application/problem+json"))["code"] == "link_refused"
    assert await status_of(gateway, "/downloads/nothing") == 403
    await gateway.happened(FileDeleted(**about(new, Stage.REMOVED)))
    assert await status_of(gateway, link) == 404

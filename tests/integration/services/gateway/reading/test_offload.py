"""Bytes that others send: an nginx in front of the disk store, and the S3 store itself; the gateway decides nevertheless."""

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import create_connection, socket
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from yarl import URL

from libs.object_store.disk import DiskStore
from libs.object_store.incoming import HELD_BYTES
from libs.object_store.port import ObjectStore
from services.gateway.files import soon
from services.gateway.files.object_cache import SMALL_BYTES
from services.gateway.store import UploadStore
from tests.integration.services.gateway.reading.address import KINDS, LINK_SECONDS, PHOTO, Kind, published

if TYPE_CHECKING:
    from tests.integration.services.gateway.faces.conftest import Gateway

Open = Callable[..., Awaitable["Gateway"]]
BODY = PHOTO * 2000
LOCATION = "/stored/"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")

on_disk = pytest.mark.parametrize("store", ["disk"], indirect=True)
on_s3 = pytest.mark.parametrize("store", ["s3"], indirect=True)


async def removed(gateway: "Gateway", path: str, upload_id: object, monkeypatch: pytest.MonkeyPatch) -> int:
    """What `path` is answered once its owner gave the file up."""
    monkeypatch.setattr(soon, "PAUSES", (0,))
    async with gateway.outbox.database.transaction() as connection:
        await UploadStore(connection).give_up(upload_id, datetime.now(UTC))  # type: ignore[arg-type]
    async with gateway.client.get(path, allow_redirects=False) as response:
        assert "Location" not in response.headers
        assert "X-Accel-Redirect" not in response.headers
        return response.status


# nginx in front of the disk store


@on_disk
@pytest.mark.parametrize("kind", [kind for kind in KINDS if "image" not in kind])
async def test_nginx_is_told_which_file_to_send(open_gateway: Open, kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = await open_gateway(gateway_accel_location=LOCATION)
    assert isinstance(gateway.store, DiskStore)
    address = await published(gateway, kind, BODY)
    for headers in ({}, {"Range": "bytes=1-3"}):
        async with gateway.client.get(address.path, headers=headers) as response:
            assert (response.status, await response.read()) == (200, b"")
            told = response.headers["X-Accel-Redirect"]
            etag = response.headers["ETag"]
            assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert told.startswith(LOCATION)
    content = (gateway.store.files.root / told.removeprefix(LOCATION)).read_bytes()
    assert content == address.body
    for method, conditions, status in (
        ("GET", {"If-None-Match": etag}, 304),
        ("GET", {"Range": f"bytes={len(content)}-"}, 416),
        ("HEAD", {}, 200),
        ("GET", {"If-Match": '"other"'}, 412),
    ):
        async with gateway.client.request(method, address.path, headers=conditions) as response:
            assert (response.status, "X-Accel-Redirect" in response.headers) == (status, False)
    async with gateway.client.get(address.path, headers={"If-Match": etag}) as response:
        assert await response.read() == content
    assert await removed(gateway, address.path, address.new.id, monkeypatch) == 404


@on_disk
@pytest.mark.parametrize("size", [len(PHOTO), SMALL_BYTES + 1, HELD_BYTES])
async def test_a_small_file_is_sent_at_once_although_nginx_stands_in_front(open_gateway: Open, size: int) -> None:
    """Its file in the store has more than its bytes: what is known about it lies behind them."""
    gateway = await open_gateway(gateway_accel_location=LOCATION)
    body = PHOTO.ljust(size, b"\0")
    address = await published(gateway, "public", body)
    for headers, expected in (({}, body), ({"Range": "bytes=-3"}, body[-3:])):
        async with gateway.client.get(address.path, headers=headers) as response:
            assert (await response.read(), "X-Accel-Redirect" in response.headers) == (expected, False)


@on_s3
async def test_an_s3_store_has_no_files_for_nginx(open_gateway: Open, store: ObjectStore) -> None:
    await store.open()
    with pytest.raises(ValueError, match="LONGSHORE_GATEWAY_ACCEL_LOCATION needs the disk store"):
        await open_gateway(gateway_accel_location=LOCATION)
    await store.close()


@contextmanager
def nginx(folder: Path, longshore: str, files: Path) -> Iterator[str]:
    """The address of an nginx with the configuration of `deploy/edge`, in front of `longshore`."""
    assert NGINX is not None
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    site = (Path(__file__).parents[5] / "deploy/edge/nginx.conf").read_text()
    for ours, theirs in (
        ("server 127.0.0.1:8080;", f"server {longshore};"),
        ("listen 8081;", f"listen 127.0.0.1:{port};"),
        ("/var/lib/longshore/objects/", f"{files}/"),
    ):
        assert ours in site
        site = site.replace(ours, theirs)
    folder.mkdir()
    user = pwd.getpwuid(os.geteuid()).pw_name
    whole = f"daemon off; user {user}; pid {folder}/pid; error_log {folder}/error.log; events {{}}\nhttp {{\n{site}\n}}"
    (folder / "nginx.conf").write_text(whole)
    with subprocess.Popen([NGINX, "-c", str(folder / "nginx.conf"), "-p", str(folder)], stderr=subprocess.DEVNULL) as process:
        try:
            while process.poll() is None:
                try:
                    create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except ConnectionRefusedError:
                    time.sleep(0.02)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


@on_disk
@pytest.mark.skipif(NGINX is None, reason="no nginx here")
async def test_nginx_sends_what_the_gateway_would_have_sent(
    open_gateway: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare, gateway = await open_gateway(), await open_gateway(gateway_accel_location=LOCATION)
    assert isinstance(gateway.store, DiskStore)
    address = await published(gateway, "rendition", BODY)
    async with bare.client.get(address.path) as response:
        etag = response.headers["ETag"]
    asked: list[dict[str, str]] = [
        {},
        {"Range": "bytes=100-199"},
        {"Range": "bytes=-5"},
        {"Range": "bytes=0-1,5-6"},
        {"Range": "bytes=0-1", "If-Range": etag},
        {"Range": "bytes=0-1", "If-Range": '"other"'},
        {"Range": f"bytes={len(BODY)}-"},
        {"If-Match": etag},
        {"If-None-Match": etag},
        {"If-None-Match": '"other"'},
        {"If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"},
    ]
    own = {"date", "server", "x-request-id", "connection"}
    with nginx(tmp_path / "nginx", f"{gateway.client.host}:{gateway.client.port}", gateway.store.files.root) as front:
        async with aiohttp.ClientSession() as http:
            for method, headers in (*(("GET", headers) for headers in asked), ("HEAD", {})):
                async with (
                    bare.client.request(method, address.path, headers=headers) as there,
                    http.request(method, front + address.path, headers=headers) as here,
                ):
                    assert here.status == there.status, headers
                    if there.status != 416:  # whose body tells the request's id
                        assert await here.read() == await there.read()
                    assert "X-Accel-Redirect" not in here.headers
                    expected = {name: value for name, value in there.headers.items() if name.lower() not in own}
                    assert {name: here.headers.get(name) for name in expected} == expected
            async with gateway.client.get(address.path) as response:
                told = response.headers["X-Accel-Redirect"]
            async with http.get(front + told) as response:
                assert response.status == 404, "the location is nginx's own"
            assert await removed(gateway, address.path, address.new.id, monkeypatch) == 404
            async with http.get(front + address.path) as response:
                assert response.status == 404


# The S3 store itself


@on_s3
@pytest.mark.parametrize("kind", KINDS)
async def test_clients_are_sent_to_the_store_for_a_moment(
    open_gateway: Open, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = await open_gateway(gateway_redirect_seconds=60)
    address = await published(gateway, kind)
    async with gateway.client.head(address.path) as response:
        assert response.status == 200
        head = response.headers
    async with gateway.client.get(address.path, allow_redirects=False) as response:
        assert (response.status, response.headers["Cache-Control"]) == (302, "no-store")
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        url = response.headers["Location"]
    assert 1 <= int(parse_qs(urlsplit(url).query)["X-Amz-Expires"][0]) <= 60
    async with aiohttp.ClientSession() as http, http.get(URL(url, encoded=True)) as stored:
        assert stored.status == 200
        content = await stored.read()
        assert content == address.body or address.body is None
        for name in ("Content-Type", "Content-Disposition", "ETag", "Content-Length"):
            assert stored.headers[name] == head[name]
        assert stored.headers["Cache-Control"].partition("=")[0] == head["Cache-Control"].partition("=")[0]
    for headers, status in (
        ({"If-None-Match": head["ETag"]}, 304),
        ({"Range": f"bytes={len(content)}-"}, 416),
        ({"If-Match": '"other"'}, 412),
    ):
        async with gateway.client.get(address.path, headers=headers, allow_redirects=False) as response:
            assert response.status == status
    assert await removed(gateway, address.path, address.new.id, monkeypatch) == 404


@on_s3
async def test_what_a_browser_could_run_is_saved_from_the_store_too(open_gateway: Open) -> None:
    gateway = await open_gateway(gateway_redirect_seconds=60)
    new = await gateway.register(await gateway.tenant("key"), "json2video", name="page.png", content_type="image/png")
    await gateway.completed(new, b"<script>")
    await gateway.ready(new, "text/html")
    path = f"/{(await _client_id(gateway, new.tenant_id))}/files/page.png"
    async with gateway.client.get(path, allow_redirects=False) as response:
        url = response.headers["Location"]
    async with aiohttp.ClientSession() as http, http.get(URL(url, encoded=True)) as stored:
        assert stored.headers["Content-Type"] == "text/html"
        assert stored.headers["Content-Disposition"] == 'attachment; filename="page.png"'


async def _client_id(gateway: "Gateway", tenant_id: object) -> str:
    async with gateway.outbox.database.connection() as connection:
        return str(await connection.fetchval("SELECT client_id FROM tenants WHERE id = $1", tenant_id))


@on_s3
@pytest.mark.parametrize("seconds", [60, 3600])
async def test_a_redirect_lives_no_longer_than_the_link_or_the_file(open_gateway: Open, seconds: int) -> None:
    gateway = await open_gateway(gateway_redirect_seconds=seconds)
    ends_at = datetime.now(UTC) + timedelta(seconds=40)
    for kind, most in (("download", LINK_SECONDS), ("public", 40)):
        address = await published(gateway, kind, file_expires_at=ends_at if kind == "public" else None)  # type: ignore[arg-type]
        async with gateway.client.get(address.path, allow_redirects=False) as response:
            query = parse_qs(urlsplit(response.headers["Location"]).query)
        assert 1 <= int(query["X-Amz-Expires"][0]) <= min(seconds, most)


@on_s3
async def test_a_signed_link_that_is_wrong_or_over_leads_nowhere(open_gateway: Open) -> None:
    gateway = await open_gateway(gateway_redirect_seconds=60)
    path = (await published(gateway, "download")).path
    for refused in (path.replace("expires=", "expires=1"), path[:-3]):
        async with gateway.client.get(refused, allow_redirects=False) as response:
            assert (response.status, "Location" in response.headers) == (403, False)


@on_disk
async def test_the_disk_store_has_no_urls_to_be_sent_to(open_gateway: Open) -> None:
    with pytest.raises(ValueError, match="LONGSHORE_GATEWAY_REDIRECT_SECONDS needs an S3 store"):
        await open_gateway(gateway_redirect_seconds=60)

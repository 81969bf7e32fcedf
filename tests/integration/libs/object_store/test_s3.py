"""The S3 adapter's own promises: outages, stores that must not be used, the forms of its URL."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from libs.object_store.port import StoreUnavailableError
from libs.object_store.s3 import S3Store
from libs.object_store.s3_probe import UnsafeStoreError
from tests.servers.s3 import ACCESS_KEY, SECRET_KEY, S3Server, bucket_url


@pytest.fixture
def server(tmp_path: Path) -> Iterator[S3Server]:
    server = S3Server(tmp_path / "s3")
    server.start()
    yield server
    server.kill()


async def stream(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def test_a_store_that_went_away_is_unavailable_until_it_is_back(server: S3Server) -> None:
    store = S3Store.from_url(bucket_url(server.url))
    await store.open()
    await store.write("a", stream(b"content"), content_type="text/plain")
    server.kill()
    with pytest.raises(StoreUnavailableError):
        await store.check()
    with pytest.raises(StoreUnavailableError):
        await store.stat("a")
    with pytest.raises(StoreUnavailableError):
        await store.write("b", stream(b"content"), content_type="text/plain")
    server.start()
    await store.check()
    assert b"".join([chunk async for chunk in store.read("a")]) == b"content"
    await store.close()


async def test_a_read_url_is_good_for_one_object_and_tells_what_the_store_answers(server: S3Server) -> None:
    url = bucket_url(server.url)
    store = S3Store.from_url(url, presign_key="takes-uploads:secret")  # which cannot read
    owner = S3Store.from_url(url)
    await owner.open()
    await owner.close()
    await store.write("files/page", stream(b"0123456789"), content_type="text/html")
    disposition = "attachment; filename=\"a _.txt\"; filename*=UTF-8''a%20%C3%BC.txt"
    signed = store.presign_get(
        "files/page",
        expires_in=timedelta(seconds=60),
        content_type="text/plain; charset=utf-8",
        disposition=disposition,
        cache_control="private, max-age=7",
    )
    async with aiohttp.ClientSession() as http:
        async with http.get(URL(signed, encoded=True)) as response:
            assert (response.status, await response.read()) == (200, b"0123456789")
            assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
            assert response.headers["Content-Disposition"] == disposition
            assert response.headers["Cache-Control"] == "private, max-age=7"
        async with http.get(URL(signed, encoded=True), headers={"Range": "bytes=2-4"}) as response:
            assert await response.read() == b"234"
        for other in (signed.replace("files/page", "files/other"), signed.replace("text%2Fplain", "text%2Fhtml")):
            async with http.get(URL(other, encoded=True)) as response:
                assert response.status == 403
    await store.close()


async def test_a_wrong_key_is_found_out_at_the_start(server: S3Server) -> None:
    store = S3Store.from_url(bucket_url(server.url.replace(SECRET_KEY, "wrong")))
    with pytest.raises(StoreUnavailableError):
        await store.open()
    await store.close()


async def test_a_presign_key_that_may_not_write_is_found_out_at_the_start(server: S3Server) -> None:
    store = S3Store.from_url(bucket_url(server.url), presign_key="other:secret")
    with pytest.raises(StoreUnavailableError):
        await store.open()
    await store.close()


async def test_a_presign_key_and_a_public_address_of_their_own_are_used(server: S3Server) -> None:
    url = bucket_url(server.url)
    store = S3Store.from_url(url, "https://cdn.example.com", f"{ACCESS_KEY}:{SECRET_KEY}")
    await store.open()
    signed = store.presign_put("staging/1", expires_in=timedelta(minutes=2), headers={})
    bucket = url.rpartition("/")[2]
    assert signed.startswith(f"https://cdn.example.com/{bucket}/staging/1?")
    await store.close()


@pytest.mark.parametrize(
    ("honoured", "part"), [("x-amz-copy-source", False), ("x-amz-meta-probe", False), ("x-amz-copy-source", True)]
)
async def test_a_store_that_honours_unsigned_headers_is_refused(honoured: str, part: bool) -> None:
    async def answer(request: web.Request) -> web.Response:
        await request.read()
        unsigned = [name for name in ("x-amz-copy-source", "x-amz-meta-probe") if name in request.headers]
        if request.method == "PUT" and unsigned and (unsigned != [honoured] or part != ("partNumber" in request.query)):
            return web.Response(status=403)
        started = "<Result><UploadId>id</UploadId></Result>"
        return web.Response(status=200, text=started, content_type="application/xml")

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    store = S3Store.from_url(f"http://key:secret@127.0.0.1:{runner.addresses[0][1]}/bucket?region=eu-central-1")
    try:
        with pytest.raises(UnsafeStoreError, match=honoured):
            await store.open()
    finally:
        await store.close()
        await runner.cleanup()


@pytest.mark.parametrize("url", ["", "http://host/bucket", "ftp://a:b@host/bucket", "http://a:b@host", "http://a:b@/bucket"])
def test_an_url_that_lacks_something_is_refused_without_telling_it(url: str) -> None:
    with pytest.raises(ValueError, match="not of the form"):
        S3Store.from_url(url)

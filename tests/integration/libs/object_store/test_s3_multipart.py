"""The S3 adapter's own promises about multipart uploads: errors of status 200, lost answers, listings of many pages."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiohttp import web

from libs.object_store.port import InvalidPartsError, MultipartNotFoundError, Part, PartTooSmallError, StoreUnavailableError
from libs.object_store.s3 import S3Store
from libs.object_store.s3_multipart import S3Multipart
from tests.integration.libs.object_store.s3_answers import error, talking_to, xml
from tests.servers.s3 import S3Server, bucket_url

KEY = "staging/1/token"
PARTS = [Part(1, 5, "one")]
DONE = "<CompleteMultipartUploadResult><ETag>&quot;whole-1&quot;</ETag></CompleteMultipartUploadResult>"


@pytest.mark.parametrize(
    ("code", "raised"),
    [
        ("InternalError", StoreUnavailableError),
        ("SlowDown", StoreUnavailableError),
        ("EntityTooSmall", PartTooSmallError),
        ("InvalidPart", InvalidPartsError),
        ("InvalidPartOrder", InvalidPartsError),
    ],
)
@pytest.mark.parametrize("status", [200, 400])
async def test_an_error_is_one_whatever_its_status(code: str, raised: type[Exception], status: int) -> None:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return error(code, status)

    async with talking_to(answer) as store:
        with pytest.raises(raised):
            await store.complete_multipart(KEY, "id", PARTS)


@pytest.mark.parametrize("status", [200, 500])
async def test_a_completion_that_another_one_disturbed_is_asked_for_again(status: int) -> None:
    calls = []

    async def answer(request: web.Request) -> web.StreamResponse:
        calls.append(request.method)
        return xml(DONE) if len(calls) > 1 else error("InternalError", status)

    async with talking_to(answer) as store:
        assert (await store.complete_multipart(KEY, "id", PARTS)).etag == "whole-1"
    assert calls == ["POST", "POST"]


async def test_a_completion_that_is_forbidden_is_not_asked_for_again() -> None:
    calls = []

    async def answer(request: web.Request) -> web.StreamResponse:
        calls.append(request.method)
        return error("AccessDenied", 403)

    async with talking_to(answer) as store:
        with pytest.raises(StoreUnavailableError):
            await store.complete_multipart(KEY, "id", PARTS)
    assert calls == ["POST"]


async def test_an_answer_that_took_long_is_read_behind_its_white_space() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/xml"})
        await response.prepare(request)
        for _ in range(5):
            await response.write(b" \n")
        await response.write(f'<?xml version="1.0" encoding="UTF-8"?>{DONE}'.encode())
        return response

    async with talking_to(answer) as store:
        completed = await store.complete_multipart(KEY, "id", PARTS)
        assert (completed.key, completed.size_bytes, completed.etag) == (KEY, 5, "whole-1")


@pytest.mark.parametrize("body", ["", "   ", "<Complete"])
async def test_an_answer_that_says_nothing_is_worth_another_try(body: str) -> None:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return xml(body)

    async with talking_to(answer) as store:
        with pytest.raises(StoreUnavailableError):
            await store.complete_multipart(KEY, "id", PARTS)


async def test_a_completion_whose_answer_was_lost_is_found_out_by_asking_again() -> None:
    calls = []

    async def answer(request: web.Request) -> web.StreamResponse:
        calls.append(request.method)
        if calls == ["POST"]:
            assert request.transport is not None
            request.transport.abort()  # it was done, and nobody heard
        if request.method == "HEAD":
            headers = {"ETag": '"whole-1"', "Content-Length": "5", "Last-Modified": "Wed, 25 Nov 2026 12:00:00 GMT"}
            return web.Response(headers=headers)
        return error("NoSuchUpload", 404)

    async with talking_to(answer) as store:
        with pytest.raises(StoreUnavailableError):
            await store.complete_multipart(KEY, "id", PARTS)
        assert calls == ["POST"]
        assert (await store.complete_multipart(KEY, "id", PARTS)).etag == "whole-1"
        with pytest.raises(MultipartNotFoundError):
            await store.complete_multipart(KEY, "id", [Part(1, 6, "one")])


async def test_a_stream_whose_multipart_upload_cannot_be_aborted_tells_its_own_error() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        await request.read()
        if request.method == "DELETE":
            return error("SlowDown", 503)
        if "uploads" in request.query:
            return xml("<InitiateMultipartUploadResult><UploadId>id</UploadId></InitiateMultipartUploadResult>")
        return web.Response(headers={"ETag": '"part"'})

    async def failing() -> AsyncIterator[bytes]:
        for _ in range(9):
            yield bytes(1024**2)
        raise RuntimeError("refused")

    async with talking_to(answer) as store:
        with pytest.raises(RuntimeError, match="refused"):
            await store.write(KEY, failing(), content_type="text/plain")


async def test_browsers_are_allowed_to_put_with_any_header_and_to_read_the_etag() -> None:
    rules = []

    async def answer(request: web.Request) -> web.StreamResponse:
        body = await request.text()
        if "cors" in request.query:
            rules.append(body)
        # Whatever is not signed is refused, so that the store is taken for a safe one.
        unsigned = request.method == "PUT" and {"x-amz-copy-source", "x-amz-meta-probe"} & set(request.headers)
        return error("AccessDenied", 403) if unsigned else xml("<Result><UploadId>id</UploadId></Result>")

    async with talking_to(answer) as store:
        await store.open()
    [rule] = rules
    for element in (
        "<AllowedOrigin>*</AllowedOrigin>",
        "<AllowedMethod>PUT</AllowedMethod>",
        "<AllowedHeader>*</AllowedHeader>",
        "<ExposeHeader>ETag</ExposeHeader>",
    ):
        assert element in rule


@pytest.fixture
def server(tmp_path: Path) -> Iterator[S3Server]:
    server = S3Server(tmp_path / "s3")
    server.start()
    yield server
    server.kill()


async def test_all_pages_of_a_listing_are_read(server: S3Server) -> None:
    store = S3Store.from_url(bucket_url(server.url))
    await store.open()
    multipart = S3Multipart(store._client, page=2)
    keys = ("staging/a", "staging/a", "staging/a", "staging/b")
    opened = [(key, await multipart.start(key, "text/plain", {})) for key in keys]
    found = [(upload.key, upload.multipart_id) async for page in multipart.uploads("staging/") for upload in page]
    assert sorted(found) == sorted(opened)
    key, multipart_id = opened[0]
    put = [await multipart.put(key, multipart_id, number, [b"bytes"]) for number in range(1, 6)]
    assert await multipart.parts(key, multipart_id) == put
    await store.close()

"""Uploadcare's `/from_url/` against a source that misbehaves, through all services: each failure has its code (U-44)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.e2e.client import Client, until

PNG = b"\x89PNG\r\n\x1a\n"


@pytest_asyncio.fixture
async def source() -> AsyncIterator[str]:
    """The address of a server; what a path does is its name."""

    async def answer(request: web.Request) -> web.StreamResponse:
        match request.match_info["name"]:
            case "missing":
                return web.Response(status=404)
            case "broken":
                return web.Response(status=503)
            case "empty":
                return web.Response(body=b"")
            case "text":
                return web.Response(text="words")
            case "large":
                return web.Response(body=bytes(2000))
            case "loop":
                raise web.HTTPFound("/loop")
            case "inside":
                raise web.HTTPFound("http://169.254.169.254/latest/meta-data")
            case "gone":
                assert request.transport is not None
                request.transport.abort()
        return web.Response(body=PNG, headers={"Content-Disposition": 'attachment; filename="IMG-1 (2).png"'})

    app = web.Application()
    app.router.add_get("/{name}", answer)
    async with TestServer(app, host="127.0.0.1") as server:
        yield str(server.make_url("/")).rstrip("/")


async def project(client: Client, **settings: Any) -> str:
    """The public key of a new one."""
    headers = {"Authorization": f"Bearer {client.credentials.admin_token}"}
    url = f"{client.credentials.base_url}/platform/v1/projects"
    answer = await client.request("POST", url, json={"name": "Fetch", **settings}, headers=headers)
    assert answer.status == 201, answer
    return str(answer.json["public_key"])


async def fetched(client: Client, public_key: str, url: str) -> dict[str, Any]:
    """The last status of the fetch."""
    base = client.credentials.base_url
    answer = await client.request("POST", f"{base}/from_url/", data={"pub_key": public_key, "source_url": url})
    assert answer.status == 200, answer

    async def over() -> dict[str, Any] | None:
        status = await client.request("GET", f"{base}/from_url/status/?token={answer.json['token']}")
        assert status.status == 200
        found: dict[str, Any] = status.json
        return None if found["status"] in ("waiting", "progress") else found

    found: dict[str, Any] = await until(over, 90)
    return found


async def test_a_fetch_ends_with_the_file_or_with_its_reason(client: Client, source: str) -> None:
    # U-31, U-44, U-E31, U-E32, U-E33, U-E34, U-E35, U-E38, U-E41, U-E87
    plain = client.credentials.public_key
    choosy = await project(client, allowed_types=["image/*"])
    small = await project(client, max_file_size_bytes=1000)
    expected = {
        (plain, "missing"): ("DownloadFileHTTPClientError", "HTTP client error: 404 Not Found."),
        (plain, "broken"): ("DownloadFileHTTPServerError", "HTTP server error: 503 Service Unavailable."),
        (plain, "gone"): ("DownloadFileHTTPNetworkError", "HTTP network error: the connection ended before the answer."),
        (plain, "empty"): ("DownloadFileError", "Failed to download the file."),
        (plain, "loop"): ("URLRedirectsLimitExceededError", "Too many redirects."),
        (plain, "inside"): (
            "DownloadFileHTTPURLValidationError", "HTTP URL validation error: only public IPs are allowed.",
        ),
        (choosy, "text"): (
            "DownloadFileValidationFailedError", "File validation error: Uploading of these file types is not allowed.",
        ),
        (small, "large"): ("DownloadFileSizeLimitExceededError", "Downloaded file is too big: 2000 > 1000."),
    }  # fmt: skip
    statuses = await asyncio.gather(*(fetched(client, key, f"{source}/{name}") for key, name in expected))
    told = {case: (status.get("error_code"), status.get("error")) for case, status in zip(expected, statuses, strict=True)}
    assert told == expected

    done = await fetched(client, plain, f"{source}/image")
    assert (done["status"], done["original_filename"], done["filename"]) == ("success", "IMG-1 (2).png", "IMG12.png")
    assert done["size"] == len(PNG)

"""What `read_json` lets through, and with which error it refuses the rest."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from libs.web.problem import problem_error
from libs.web.request import json_value, read_json
from libs.web.route import Answer, Api, MalformedBodyError, Route
from libs.web.server import application


class Order(BaseModel):
    name: str
    extra: object = None


@dataclass
class Reply:
    status: int
    code: str | None


Send = Callable[..., Awaitable[Reply]]


async def _accept(request: web.Request) -> web.Response:
    order = await read_json(request, Order, max_bytes=1000)
    return web.json_response({"name": order.name})


@asynccontextmanager
async def _client() -> AsyncIterator[Send]:
    route = Route("POST", "/orders", _accept, "order", "Order", {200: Answer("Yes.")})
    async with TestClient(TestServer(application([Api("orders", "Orders", [route], problem_error)]))) as client:

        async def send(body: bytes, content_type: str | None = "application/json", **headers: str) -> Reply:
            all_headers = {name.replace("_", "-"): value for name, value in headers.items()}
            if content_type is not None:
                all_headers["Content-Type"] = content_type
            skip = {aiohttp.hdrs.CONTENT_TYPE} if content_type is None else set()
            async with client.post("/orders", data=body, headers=all_headers, skip_auto_headers=skip) as response:
                return Reply(response.status, (await response.json(content_type=None)).get("code"))

        yield send


GOOD = b'{"name": "x"}'


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON", "application/json; charset=utf-8", 'application/json;charset="UTF-8"'],
)
async def test_json_is_taken_under_its_content_type(content_type: str) -> None:
    async with _client() as send:
        assert await send(GOOD, content_type) == Reply(200, None)


@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/plain", "application/jsonp", "application/json; charset=latin-1", "application/x-www-form-urlencoded"],
)
async def test_another_content_type_is_refused(content_type: str | None) -> None:
    async with _client() as send:
        assert await send(GOOD, content_type) == Reply(415, "unsupported_media_type")


async def test_a_compressed_body_is_refused() -> None:
    async with _client() as send:
        assert await send(GOOD, Content_Encoding="gzip") == Reply(415, "unsupported_media_type")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="cut off"),
        pytest.param(b'{"name": "x"} {}', id="two documents"),
        pytest.param(b"[]", id="array"),
        pytest.param(b'"text"', id="text"),
        pytest.param(b"null", id="null"),
        pytest.param(b'{"name": "\xff"}', id="not UTF-8"),
        pytest.param(b'\xef\xbb\xbf{"name": "x"}', id="byte order mark"),
        pytest.param('{"name": "x"}'.encode("utf-16"), id="UTF-16"),
        pytest.param(b'{"name": NaN}', id="NaN"),
        pytest.param(b'{"name": "x", "extra": -Infinity}', id="infinity"),
        pytest.param(b'{"name": "\\ud800"}', id="lone surrogate"),
        pytest.param(b'{"name": "\\u0000"}', id="escaped NUL"),
        pytest.param(b'{"\\u0000": 1, "name": "x"}', id="NUL in a key"),
        pytest.param(b'{"name": "\x00"}', id="raw NUL"),
        pytest.param(b'{"name": "x", "extra": ' + b"[" * 40 + b"]" * 40 + b"}", id="40 levels"),
        pytest.param(b'{"name": "x", "extra": ' + b"[" * 450 + b"]" * 450 + b"}", id="450 levels"),
    ],
)
async def test_malformed_json_is_refused(body: bytes) -> None:
    async with _client() as send:
        assert await send(body) == Reply(400, "malformed_body")


async def test_values_that_do_not_fit_are_the_models_error() -> None:
    async with _client() as send:
        assert await send(b'{"name": 1}') == Reply(400, "invalid_request")


async def test_many_brackets_without_depth_are_fine() -> None:
    async with _client() as send:
        assert await send(b'{"name": "x", "extra": [' + b",".join([b"[]"] * 100) + b"]}") == Reply(200, None)


async def test_a_backslash_before_u0000_is_not_a_nul() -> None:
    async with _client() as send:
        assert await send(b'{"name": "\\\\u0000"}') == Reply(200, None)


@pytest.mark.parametrize("size", [1001, 200_000])
async def test_a_body_over_the_limit_is_refused(size: int) -> None:
    async with _client() as send:
        assert await send(b'{"name": "' + b"x" * (size - 12) + b'"}') == Reply(413, "body_too_large")


async def test_a_body_of_exactly_the_limit_is_taken() -> None:
    async with _client() as send:
        assert await send(b'{"name": "' + b"x" * (1000 - 12) + b'"}') == Reply(200, None)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,\\u0d8 1e-', max_size=60).map(str.encode))
def test_no_bytes_break_the_check(body: bytes) -> None:
    with suppress(MalformedBodyError):
        json_value(body)

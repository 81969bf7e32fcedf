"""Small forms: what `read_form` lets through from query and body, and with which error it refuses the rest."""

import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from libs.web.form import FormLimits, read_form
from libs.web.problem import problem_error
from libs.web.route import Answer, Api, Route
from libs.web.server import application

LIMITS = FormLimits(body_bytes=2000, fields=4, name_bytes=10, value_bytes=20, drain_seconds=5)
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = 'multipart/form-data; boundary="b"'

Fields = list[list[str]]
Post = Callable[..., Awaitable[tuple[int, Any]]]


async def _answer_fields(request: web.Request) -> web.Response:
    return web.json_response(await read_form(request, LIMITS))


@asynccontextmanager
async def _client() -> AsyncIterator[Post]:
    route = Route("POST", "/form", _answer_fields, "form", "Form", {200: Answer("Yes.")})
    async with TestClient(TestServer(application([Api("forms", "Forms", [route], problem_error)]))) as client:

        async def post(query: str, body: bytes | AsyncIterator[bytes] | None, content_type: str | None, **headers: str) -> Any:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            if content_type is not None:
                named["Content-Type"] = content_type
            url = URL(f"http://127.0.0.1:{client.port}/form?{query}", encoded=True)
            skip = {aiohttp.hdrs.CONTENT_TYPE} if content_type is None else set()
            async with aiohttp.ClientSession() as session:
                response = await session.post(url, data=body, headers=named, skip_auto_headers=skip)
                found = await response.json(content_type=None)
            return (200, found) if response.status == 200 else (response.status, found["code"])

        yield post


def part(name: str, value: str) -> bytes:
    return f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


# U-06: the clients' three encodings (form-data, urlencoded, only a query)
@pytest.mark.parametrize(
    ("query", "body", "content_type", "fields"),
    [
        ("", None, None, []),
        ("a=1&b=&a=2", None, None, [["a", "1"], ["b", ""], ["a", "2"]]),
        ("a=%C3%BC+%2B&&", b"", URLENCODED, [["a", "ü +"]]),
        ("a=1", b"a=2&a=2&meta%5Bk%5D=v", URLENCODED, [["a", "1"], ["a", "2"], ["a", "2"], ["meta[k]", "v"]]),
        ("", "a=ü;b".encode(), f"{URLENCODED}; charset=UTF-8", [["a", "ü;b"]]),
        ("q=0", part("a", "1") + part("ü", "") + b"--b--", MULTIPART, [["q", "0"], ["a", "1"], ["ü", ""]]),
        ("", b"--b--\r\n", MULTIPART, []),
        ("", part("a", "line\r\nline") + b"--b--\r\nepilogue", MULTIPART, [["a", "line\r\nline"]]),
    ],
)
async def test_fields_of_query_and_body_are_one_list(query: str, body: bytes, content_type: str, fields: Fields) -> None:
    async with _client() as post:
        assert await post(query, body, content_type) == (200, fields)


# U-40, U-41: what a form must not be
@pytest.mark.parametrize(
    ("query", "body", "content_type", "refusal"),
    [
        ("", b"junk", None, (415, "unsupported_media_type")),
        ("", b"{}", "application/json", (415, "unsupported_media_type")),
        ("", b"&" * 1000, URLENCODED, (400, "too_many_fields")),
        ("", b"a=b", f"{URLENCODED}; charset=latin-1", (415, "unsupported_media_type")),
        ("", b"a=\xff", URLENCODED, (400, "malformed_form")),
        ("", b"a=%ff", URLENCODED, (400, "malformed_form")),
        ("a=%ff", None, None, (400, "malformed_form")),
        ("", b"a=%00", URLENCODED, (400, "nul_character")),
        ("a%00=b", None, None, (400, "nul_character")),
        ("a=1&a=2&a=3", b"a=4&a=5", URLENCODED, (400, "too_many_fields")),
        ("a=1&a=2", part("a", "1") * 3 + b"--b--", MULTIPART, (400, "too_many_fields")),
        ("a=" + "x" * 21, None, None, (413, "field_too_large")),
        ("", b"a=" + "ü".encode() * 11, URLENCODED, (413, "field_too_large")),
        ("", b"abcdefghijk=1", URLENCODED, (413, "field_too_large")),
        ("", part("a", "x" * 21) + b"--b--", MULTIPART, (413, "field_too_large")),
        ("", b"x" * 2001, URLENCODED, (413, "body_too_large")),
        ("", b"", MULTIPART, (400, "incomplete_form")),
        ("", part("a", "1"), MULTIPART, (400, "incomplete_form")),
        ("", part("a", "1") + b"--b--", "multipart/form-data", (400, "malformed_form")),
        ("", part("a", "1") + b"--b--", "multipart/form-data; boundary=c", (400, "incomplete_form")),
        ("", part("a", "1") + b"--b--", 'multipart/form-data; boundary="c', (400, "malformed_form")),
        ("", part('a"; filename="b', "1") + b"--b--", MULTIPART, (400, "malformed_form")),
    ],
)
async def test_a_form_that_is_none_is_refused(
    query: str, body: bytes, content_type: str | None, refusal: tuple[int, str]
) -> None:
    async with _client() as post:
        assert await post(query, body, content_type) == refusal


async def test_a_compressed_form_is_refused() -> None:
    async with _client() as post:
        refusal = await post("", gzip.compress(b"a=b"), URLENCODED, Content_Encoding="gzip")
    assert refusal == (415, "unsupported_media_type")


async def test_a_form_without_a_length_is_limited_too() -> None:
    async def body(count: int) -> AsyncIterator[bytes]:
        for _ in range(count):
            yield b"a=1&"

    async with _client() as post:
        assert await post("", body(4), URLENCODED) == (200, [["a", "1"]] * 4)
        assert await post("", body(100_000), URLENCODED) == (413, "body_too_large")

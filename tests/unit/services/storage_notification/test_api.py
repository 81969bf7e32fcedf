"""Who may post notifications, and which bodies are refused before anybody looks at them."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from libs.web.server import application
from services.storage_notification.api import PATH, events_api
from services.storage_notification.usecases import Receipt

TOKEN = {"Authorization": "Bearer right"}
Client = TestClient[Request, Application]


async def nothing_new(_payload: object) -> Receipt:
    return Receipt()


@pytest_asyncio.fixture
async def client() -> AsyncIterator[Client]:
    async with TestClient(TestServer(application([events_api(nothing_new, "right")]))) as client:
        yield client


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic right"}])
async def test_without_the_token_nothing_is_taken(client: Client, header: dict[str, str]) -> None:
    assert (await client.post(PATH, json={}, headers=header)).status == 401


async def test_a_token_that_is_no_text_is_refused(client: Client) -> None:
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nAuthorization: Bearer ".encode() + b"\xff\r\n\r\n")
    assert (await reader.readline()).split()[1] == b"401"
    writer.close()


@pytest.mark.parametrize("header", ["Bearer right", "bearer right", "right"])
async def test_a_store_may_send_the_token_with_or_without_its_scheme(client: Client, header: str) -> None:
    assert (await client.post(PATH, json={}, headers={"Authorization": header})).status == 200


async def test_without_a_configured_token_nobody_may() -> None:
    async with TestClient(TestServer(application([events_api(nothing_new, None)]))) as client:
        assert (await client.post(PATH, json={}, headers={"Authorization": "Bearer "})).status == 401


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 5000])
async def test_what_is_not_json_is_refused(client: Client, body: bytes) -> None:
    assert (await client.post(PATH, data=body, headers=TOKEN)).status == 400


async def test_a_body_over_one_megabyte_is_refused(client: Client) -> None:
    assert (await client.post(PATH, data=b" " * 1_000_001, headers=TOKEN)).status == 413


async def test_a_database_that_is_away_asks_for_another_try() -> None:
    async def receive(_payload: object) -> Receipt:
        raise ConnectionRefusedError

    async with TestClient(TestServer(application([events_api(receive, "right")]))) as client:
        assert (await client.post(PATH, json={}, headers=TOKEN)).status == 503

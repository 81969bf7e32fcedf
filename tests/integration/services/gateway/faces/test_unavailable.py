"""What the platform's own faces answer while a server that they need is away."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from libs.object_store.s3 import S3Store
from services.gateway.platform import routes as platform

if TYPE_CHECKING:
    from tests.integration.services.gateway.faces.conftest import Gateway

PLATFORM = "/platform/v1/uploads"
PATHS = ("/public/{id}.png", "/{client_id}/files/a.png", "/renditions/{id}/a.png", PLATFORM, PLATFORM + "/{id}")


@pytest.fixture
def lookup_seconds() -> float:
    return 0.2


async def told_to_come_back(gateway: "Gateway", path: str) -> None:
    with capture_logs() as logs:
        async with gateway.client.get(path, headers={"X-API-Key": "key"}) as response:
            assert response.status == 503
            assert int(response.headers["Retry-After"]) > 0
            problem = await response.json(content_type="application/problem+json")
    assert (problem["status"], problem["code"]) == (503, "unavailable")
    assert [entry for entry in logs if entry["log_level"] == "error" or "exc_info" in entry] == []


@asynccontextmanager
async def uploads_locked(gateway: "Gateway") -> AsyncIterator[None]:
    """Nobody reads uploads meanwhile: a database that takes questions and does not answer them."""
    async with gateway.outbox.database.transaction() as connection:
        await connection.execute("LOCK TABLE uploads IN ACCESS EXCLUSIVE MODE")
        yield


@pytest.mark.parametrize("path", PATHS)
async def test_a_database_that_does_not_answer_is_a_503(gateway: "Gateway", path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = await gateway.tenant("key")
    new = await gateway.register(tenant)
    monkeypatch.setattr(platform, "DATABASE_SECONDS", 0.2)

    async with uploads_locked(gateway):
        await told_to_come_back(gateway, path.format(id=new.id, client_id=tenant.client_id))


async def test_a_store_that_is_away_is_a_503(gateway: "Gateway", monkeypatch: pytest.MonkeyPatch) -> None:
    new = await gateway.published(await gateway.tenant("key"), b"body")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    away = S3Store.from_url(f"http://key:secret@127.0.0.1:{port}/bucket")
    monkeypatch.setattr(gateway.store, "peek", away.peek)

    try:
        async with asyncio.timeout(30):
            await told_to_come_back(gateway, f"/public/{new.id}.png")
    finally:
        await away.close()
    await away.close()

"""Time passes: upload URLs end, unused registrations expire, files are deleted. With lifetimes of seconds."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.e2e import platform
from tests.e2e.client import Client, client_of, until
from tests.e2e.conftest import running
from tests.e2e.platform import Platform
from tests.e2e.receiver import receiving


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    seconds = {
        "LONGSHORE_GATEWAY_EACHLABS_URL_SECONDS": "2",
        "LONGSHORE_GATEWAY_JSON2VIDEO_URL_SECONDS": "2",
        "LONGSHORE_GATEWAY_PUT_GRACE_SECONDS": "1",
        "LONGSHORE_GATEWAY_PUT_BYTES_PER_SECOND": str(2**30),
        "LONGSHORE_GATEWAY_RETENTION_SECONDS": "8",
        "LONGSHORE_SESSION_RETENTION_GRACE_SECONDS": "1",
    }
    built = platform.standalone(tmp_path_factory.mktemp("hasty"), **seconds)
    with running(built):
        yield built


@pytest_asyncio.fixture
async def hasty_client(hasty: Platform) -> AsyncIterator[Client]:
    async with client_of(hasty.credentials) as opened:
        yield opened


async def test_an_expired_url_is_refused_and_the_upload_announced_as_expired(hasty: Platform, hasty_client: Client) -> None:
    # E-11, E-22
    async with receiving(hasty.credentials.webhook_secret) as receiver:
        created = await hasty_client.register(callback_url=f"{receiver.url}/late")
        call = await receiver.one_at("/late")

    assert (call.data["event"], call.data["status"]) == ("upload.expired", "EXPIRED")
    late = await hasty_client.put(created, b"too late")
    assert late.status == 403
    assert b"<Error>" in late.body
    assert (await hasty_client.until_terminal(created["id"]))["state"] == "EXPIRED"
    assert (await hasty_client.request("GET", created["public_url"])).status == 404


async def test_a_name_whose_url_expired_can_be_registered_again(hasty_client: Client) -> None:
    # J-13, J-22
    asked = {"name": "again.txt", "contentType": "text/plain", "size": 5}
    first = await hasty_client.call("POST", "/v2/media/file", asked)
    assert first.status == 200
    assert (await hasty_client.call("POST", "/v2/media/file", asked)).status == 409

    async def registered_again() -> bool:
        return (await hasty_client.call("POST", "/v2/media/file", asked)).status == 200

    await until(registered_again)
    put = await hasty_client.request("PUT", first.json["uploadUrl"], data=b"hello", headers={"Content-Type": "text/plain"})
    assert put.status == 403


async def test_a_file_is_deleted_when_its_time_is_over(hasty: Platform, hasty_client: Client) -> None:
    # E-13
    created = await hasty_client.upload(b"for a moment")
    await hasty_client.until_terminal(created["id"])
    assert (await hasty_client.request("GET", created["public_url"])).status == 200
    assert await asyncio.to_thread(_files_of, hasty, created["id"]) > 0

    async def gone() -> bool:
        return (await hasty_client.request("GET", created["public_url"])).status in (404, 410)

    async def removed() -> bool:
        return await asyncio.to_thread(_files_of, hasty, created["id"]) == 0

    await until(gone)
    await until(removed)


def _files_of(built: Platform, upload_id: str) -> int:
    """How many files of the data folder belong to the upload."""
    return sum(1 for path in (built.data_dir / "objects").rglob("*") if path.is_file() and upload_id in str(path))

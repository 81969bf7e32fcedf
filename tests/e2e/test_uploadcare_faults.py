"""The gateway is killed in the middle of uploads: what was whole stays, half a file is nothing, and the next try finishes."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.e2e import platform
from tests.e2e.client import Client, client_of, until
from tests.e2e.conftest import FORMS, real_servers, running
from tests.e2e.platform import Platform

MIB = 2**20
SIZE = 11 * MIB
PART = 5 * MIB


@pytest.fixture(params=FORMS)
def own_platform(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Platform]:
    with ExitStack() as stack:
        if request.param == "standalone":
            built = platform.standalone(tmp_path)
        else:
            quick = {"LONGSHORE_STORAGE_RECONCILE_SECONDS": "0.5", "LONGSHORE_STORAGE_GRACE_SECONDS": "0.1"}
            dsn = request.getfixturevalue("postgres_dsn")
            built, _broker = stack.enter_context(real_servers(tmp_path, dsn, **quick))
        stack.enter_context(running(built))
        yield built


@asynccontextmanager
async def half_sent(client: Client) -> AsyncIterator[None]:
    """`POST /base/` of which 8 of 40 MiB come."""
    address = urlsplit(client.credentials.base_url)
    _reader, writer = await asyncio.open_connection(address.hostname, address.port)
    fields = f'--b\r\nContent-Disposition: form-data; name="UPLOADCARE_PUB_KEY"\r\n\r\n{client.credentials.public_key}\r\n'
    fields += '--b\r\nContent-Disposition: form-data; name="file"; filename="half.bin"\r\n\r\n'
    head = "POST /base/ HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    writer.write(f"{head}Content-Length: {40 * MIB}\r\n\r\n{fields}".encode() + bytes(8 * MIB))
    try:
        await writer.drain()
        yield
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def call(client: Client, path: str, **fields: Any) -> Any:
    form = {"UPLOADCARE_PUB_KEY": client.credentials.public_key, **fields}
    answer = await client.request("POST", f"{client.credentials.base_url}{path}", data=form)
    return answer.json


# U-06, U-22, U-43
async def test_a_gateway_killed_in_the_middle_keeps_what_was_whole_and_nothing_else(own_platform: Platform) -> None:
    content = os.urandom(SIZE)
    async with client_of(own_platform.credentials) as client, half_sent(client):
        # Given half a direct upload, and a multipart upload that is being completed
        file = {"filename": "big.bin", "size": str(SIZE), "content_type": "application/octet-stream"}
        started = await call(client, "/multipart/start/", **file)
        for number, url in enumerate(started["parts"]):
            piece = content[number * PART : (number + 1) * PART]
            answer = await client.request("PUT", url, data=BytesIO(piece), headers={"Content-Type": "application/octet-stream"})
            assert answer.status == 200
        completing = asyncio.create_task(call(client, "/multipart/complete/", uuid=started["uuid"]))
        await asyncio.sleep(0)

        # When the gateway is killed, and started again
        process = own_platform.processes.get("standalone") or own_platform.processes["gateway"]
        await asyncio.to_thread(process.kill)
        with suppress(aiohttp.ClientError):
            await completing
        await asyncio.to_thread(process.start)

        # Then the next try finishes the one, or it had been finished before
        again = await call(client, "/multipart/complete/", uuid=started["uuid"])
        assert again.get("uuid") == started["uuid"] or again["error"]["error_code"] == "MultipartFileAlreadyUploadedError"
        query = f"pub_key={client.credentials.public_key}&file_id={started['uuid']}"

        async def ready() -> dict[str, Any] | None:
            info = (await client.request("GET", f"{client.credentials.base_url}/info/?{query}")).json
            return info if info.get("is_ready") else None

        assert (await until(ready, 90))["size"] == SIZE
        assert (await client.request("GET", f"{client.credentials.base_url}/{started['uuid']}/")).body == content

        # And nobody hears of the other
        uploads = (await client.call("GET", "/platform/v1/uploads")).json["uploads"]
        assert [upload["id"] for upload in uploads] == [started["uuid"]]

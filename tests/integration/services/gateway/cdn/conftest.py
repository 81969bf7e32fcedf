"""The whole gateway over HTTP on each store, with files of the Uploadcare API in it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer
from pydantic import SecretStr

from libs.object_store.disk import DiskStore
from libs.object_store.port import ObjectStore, delete_prefix
from libs.object_store.s3 import S3Store
from libs.runtime.secret import SecretBox, new_key
from services.gateway.app import build
from services.gateway.settings import Settings
from tests.integration.services.gateway.faces.conftest import Gateway
from tests.servers import s3

Open = Callable[..., Awaitable[Gateway]]


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with s3.running(tmp_path_factory.mktemp("s3")) as url:
        yield url


@pytest_asyncio.fixture(params=["disk", "s3"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ObjectStore]:
    if request.param == "disk":
        yield DiskStore(tmp_path / "objects", "http://127.0.0.1:1", "secret")
        return
    url = s3.bucket_url(request.getfixturevalue("s3_server"))
    yield S3Store.from_url(url)
    emptied = S3Store.from_url(url)  # the gateway has closed the other one
    await delete_prefix(emptied, "")
    await emptied.close()


@pytest_asyncio.fixture
async def open_gateway(database_dsn: str, store: ObjectStore, tmp_path: Path) -> AsyncIterator[Open]:
    """`gateway = await open_gateway(gateway_image_jobs=1)`: any settings."""
    given = {"data_dir": tmp_path, "postgres_dsn": SecretStr(database_dsn), "secret_key": SecretStr(new_key())}
    async with AsyncExitStack() as stack:

        async def opened(**settings: object) -> Gateway:
            chosen = Settings.model_validate({**given, **settings})
            service = build(chosen, store)
            await service.outbox.database.open()
            stack.push_async_callback(service.outbox.database.close)
            for resource in service.resources:
                await resource.open()
                stack.push_async_callback(resource.close)
            assert service.web is not None
            client = await stack.enter_async_context(TestClient(TestServer(service.web)))
            assert chosen.secret_key is not None
            return Gateway(service.outbox, store, client, SecretBox(chosen.secret_key.get_secret_value()))

        yield opened


@pytest_asyncio.fixture
async def gateway(open_gateway: Open) -> Gateway:
    return await open_gateway()

"""Fixtures of ingest's tests: each runs on both stores."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from libs.object_store.port import ObjectStore, delete_prefix
from tests.integration.services.ingest.rig import Rig, running, store_at
from tests.servers import s3
from tests.servers.source import Source, serving


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with s3.running(tmp_path_factory.mktemp("s3")) as url:
        yield url


@pytest.fixture(params=["disk", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """See `store_at`."""
    return str(tmp_path / "store") if request.param == "disk" else s3.bucket_url(request.getfixturevalue("s3_server"))


@pytest_asyncio.fixture
async def store(place: str) -> AsyncIterator[ObjectStore]:
    opened = store_at(place)
    await opened.open()
    try:
        yield opened
    finally:
        await delete_prefix(opened, "")
        await opened.close()


@pytest_asyncio.fixture
async def rig(database_dsn: str, store: ObjectStore) -> AsyncIterator[Rig]:
    async with running(database_dsn, store) as started:
        yield started


@pytest_asyncio.fixture
async def source() -> AsyncIterator[Source]:
    """On an address that `rig` may reach."""
    async with serving("127.0.0.2") as started:
        yield started

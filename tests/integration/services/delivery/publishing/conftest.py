"""Fixtures of publishing's tests: a destination, and a store of each kind where the store matters."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from libs.object_store.port import ObjectStore, delete_prefix
from tests.integration.services.delivery.publishing.rig import Rig, running, store_at
from tests.servers import s3
from tests.servers.destination import Destination, FileTaker, serving


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
async def disk(tmp_path: Path) -> AsyncIterator[ObjectStore]:
    """Where it does not matter which store it is."""
    opened = store_at(str(tmp_path / "store"))
    await opened.open()
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def rig(database_dsn: str, disk: ObjectStore, tmp_path: Path) -> AsyncIterator[Rig]:
    async with running(database_dsn, disk, tmp_path) as started:
        yield started


@pytest.fixture
def taker() -> FileTaker:
    return FileTaker("token-of-acme")


@pytest_asyncio.fixture
async def destination(taker: FileTaker) -> AsyncIterator[Destination]:
    """Takes files by PUT below `/files/`."""
    async with serving(taker) as started:
        yield started

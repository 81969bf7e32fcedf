"""Servers and stores that several of the suites run against."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from libs.object_store.port import ObjectStore
from tests.contract.store_harness import Adapter, disk_store, s3_store
from tests.servers import s3


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with s3.running(tmp_path_factory.mktemp("s3")) as url:
        yield url


@pytest_asyncio.fixture(params=["disk", "s3"])
async def adapter(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Adapter]:
    opened = disk_store(tmp_path / "store") if request.param == "disk" else s3_store(request.getfixturevalue("s3_server"))
    async with opened as adapter:
        yield adapter


@pytest.fixture
def store(adapter: Adapter) -> ObjectStore:
    return adapter.store

"""The store that files are published from."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from libs.object_store.disk import DiskStore


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[DiskStore]:
    opened = DiskStore(tmp_path / "objects", "http://127.0.0.1:1", "secret")
    await opened.open()
    yield opened
    await opened.close()

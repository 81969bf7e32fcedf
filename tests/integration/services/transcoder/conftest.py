"""Fixtures of the transcoder's tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.integration.services.transcoder.rig import Rig, running
from tests.integration.services.transcoder.samples import Samples
from tests.servers import postgres


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    return Samples(tmp_path_factory.mktemp("samples"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(postgres_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    """One transcoder for a whole module (`loop_scope="module"`): files do not see each other."""
    folder: Path = tmp_path_factory.mktemp("transcoder")
    async with postgres.fresh_database(postgres_dsn) as dsn, running(dsn, folder) as started:
        yield started

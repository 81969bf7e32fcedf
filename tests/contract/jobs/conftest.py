"""A queue in a database of the test's own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import asyncpg
import pytest_asyncio

from deploy.postgres.embedded import EmbeddedPostgres
from deploy.postgres.prepare import ROLE_AND_SCHEMA
from libs.jobs.worker import Worker
from libs.outbox.unit_of_work import Outbox
from libs.postgres.database import Database
from libs.runtime.wakeup import Wakeups
from tests.contract.jobs.task import TABLE, TaskRepository
from tests.servers import postgres

T = TypeVar("T")


@pytest_asyncio.fixture
async def dsn(postgres_dsn: str) -> AsyncIterator[str]:
    async with postgres.fresh_database(postgres_dsn) as fresh:
        connection = await asyncpg.connect(fresh)
        await connection.execute(TABLE)
        await connection.close()
        yield fresh


@pytest_asyncio.fixture
async def tasks(dsn: str) -> AsyncIterator[TaskRepository]:
    database = Database(dsn, "ingest")
    await database.open()
    yield TaskRepository(Outbox(database, Wakeups()))
    await database.close()


@pytest_asyncio.fixture
async def own_server() -> AsyncIterator[EmbeddedPostgres]:
    """A server that the test may stop and start, with the queue in it."""
    with TemporaryDirectory(prefix="longshore-test-") as folder:
        server = EmbeddedPostgres(Path(folder) / "postgres")
        await asyncio.to_thread(server.start)
        connection = await asyncpg.connect(server.dsn)
        await connection.execute(ROLE_AND_SCHEMA.format(service="ingest") + TABLE)
        await connection.close()
        yield server
        await asyncio.to_thread(server.stop)


@asynccontextmanager
async def running(*workers: Worker[Any, Any]) -> AsyncIterator[None]:
    loops = [asyncio.create_task(worker.run()) for worker in workers]
    try:
        yield
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.wait(loops)


async def until(condition: Callable[[], Awaitable[T]]) -> T:
    """What `condition` answers once that is true."""
    async with asyncio.timeout(60):
        while not (found := await condition()):
            await asyncio.sleep(0.02)
    return found

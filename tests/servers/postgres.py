"""PostgreSQL for tests: `LONGSHORE_TEST_POSTGRES_DSN`, else the server from PyPI in a temporary folder.

One server per test run, one template database with everything applied, one copy of it per test.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg

from deploy.postgres.embedded import EmbeddedPostgres
from deploy.postgres.prepare import prepare

TEMPLATE = "longshore_template"


def start() -> Iterator[str]:
    """Yields the DSN of a running server with the template database prepared."""
    if given := os.environ.get("LONGSHORE_TEST_POSTGRES_DSN"):
        asyncio.run(_make_template(given))
        yield given
        return
    # Not below pytest's own folder: that is closed for the user as whom the server runs when the tests run as root.
    with TemporaryDirectory(prefix="longshore-test-") as folder:
        server = EmbeddedPostgres(Path(folder) / "postgres")
        server.start()
        try:
            asyncio.run(_make_template(server.dsn))
            yield server.dsn
        finally:
            server.stop()


@asynccontextmanager
async def fresh_database(dsn: str) -> AsyncIterator[str]:
    """The DSN of a new database with every service's schema, dropped afterwards."""
    name = f"test_{uuid4().hex}"
    await _admin(dsn, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")
    try:
        yield database_dsn(dsn, name)
    finally:
        await _admin(dsn, f"DROP DATABASE {name} WITH (FORCE)")


def database_dsn(dsn: str, name: str) -> str:
    parts = urlsplit(dsn)
    return urlunsplit((parts.scheme, parts.netloc, f"/{name}", parts.query, ""))


async def _make_template(dsn: str) -> None:
    await _admin(dsn, f"DROP DATABASE IF EXISTS {TEMPLATE} WITH (FORCE)")
    await _admin(dsn, f"CREATE DATABASE {TEMPLATE}")
    await prepare(database_dsn(dsn, TEMPLATE))


async def _admin(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()

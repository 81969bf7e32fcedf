"""PostgreSQL for tests: `LONGSHORE_TEST_POSTGRES_DSN`, else the server from PyPI in a temporary folder.

One server per test run, one template database with everything applied, and copies of it. A test gets one for itself:
`cleared_database`, one that another test had before and that is empty again, or `fresh_database`, a copy nobody had.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import psycopg

from deploy.postgres.embedded import EmbeddedPostgres
from deploy.postgres.prepare import SERVICES, prepare

TEMPLATE = "longshore_template"


def start() -> Iterator[str]:
    """Yields the DSN of a running server with the template database prepared."""
    if given := os.environ.get("LONGSHORE_TEST_POSTGRES_DSN"):
        asyncio.run(_make_template(given))
        yield given
        _forget(given)
        return
    # Not below pytest's own folder: that is closed for the user as whom the server runs when the tests run as root.
    with TemporaryDirectory(prefix="longshore-test-") as folder:
        server = EmbeddedPostgres(Path(folder) / "postgres")
        server.start()
        try:
            asyncio.run(_hurry(server.dsn))
            asyncio.run(_make_template(server.dsn))
            yield server.dsn
            _forget(server.dsn)
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


@contextmanager
def cleared_database(dsn: str) -> Iterator[str]:
    """Like `fresh_database`, for a tenth of the time: whoever is still connected afterwards is thrown out, all rows go."""
    database = _free.pop(dsn, None) or ClearedDatabase(dsn)
    yield database.dsn
    database.clear()
    _free[dsn] = database


class ClearedDatabase:
    """With one connection of its own that remembers how to empty it."""

    def __init__(self, server_dsn: str) -> None:
        name = f"test_{uuid4().hex}"
        with psycopg.connect(server_dsn, autocommit=True) as server:
            server.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY".encode())
        self.dsn = database_dsn(server_dsn, name)
        self._connection = psycopg.connect(self.dsn, autocommit=True)
        # Foreign keys are no hindrance then.
        self._connection.execute("SET session_replication_role = replica")
        rows = self._connection.execute(TABLES, [list(SERVICES)]).fetchall()
        deletions = "".join(f"DELETE FROM {table};" for (table,) in rows)
        self._connection.execute(CLEAR.format(deletions=deletions, schemas=list(SERVICES)).encode())

    def clear(self) -> None:
        self._connection.execute("SELECT pg_temp.clear()")

    def drop(self, server_dsn: str) -> None:
        self._connection.close()
        with psycopg.connect(server_dsn, autocommit=True) as server:
            server.execute(f"DROP DATABASE {urlsplit(self.dsn).path[1:]} WITH (FORCE)".encode())


_free: dict[str, ClearedDatabase] = {}
"""Server → a database that is nobody's just now."""


def _forget(dsn: str) -> None:
    """Drops the database that was kept for the next test."""
    if database := _free.pop(dsn, None):
        database.drop(dsn)


TABLES = """
    SELECT c.oid::regclass::text FROM pg_class c
    WHERE c.relnamespace::regnamespace::text = ANY (%s) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND c.relname NOT LIKE '%%yoyo%%'
"""
"""All but those that say which migrations are applied; partitions belong to their table."""

CLEAR = """
    CREATE FUNCTION pg_temp.clear() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
        PERFORM pg_terminate_backend(pid, 5000) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid();
        {deletions}
        PERFORM setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false) FROM pg_sequences
            WHERE schemaname = ANY (ARRAY{schemas}) AND last_value IS NOT NULL;
    END $$
"""


def database_dsn(dsn: str, name: str) -> str:
    parts = urlsplit(dsn)
    return urlunsplit((parts.scheme, parts.netloc, f"/{name}", parts.query, ""))


async def _hurry(dsn: str) -> None:
    """This server need not survive the loss of power; most of what a new database costs is waiting for the disk."""
    for setting in ("fsync", "full_page_writes", "synchronous_commit"):
        await _admin(dsn, f"ALTER SYSTEM SET {setting} = off")
    await _admin(dsn, "SELECT pg_reload_conf()")


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

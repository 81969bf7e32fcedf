"""Numbered SQL files beside their owner, applied once each (yoyo)."""

from importlib.resources import files
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import asyncpg

SHARED = Path(str(files("libs.outbox"))) / "migrations"


async def is_current(connection: "asyncpg.Connection[asyncpg.Record]", service: str, folder: Path) -> bool:
    """Whether the service's schema has all of its migrations: two short queries, where `migrate` needs a client of its own."""
    table = f"{service}._yoyo_migration"
    if not await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", table):
        return False
    applied = {row["migration_id"] for row in await connection.fetch(f"SELECT migration_id FROM {table}")}
    return applied.issuperset(path.stem for source in (SHARED, folder) for path in source.glob("*.sql"))


def migrate(dsn: str, service: str, folder: Path) -> list[str]:
    """Applies what is missing in the service's schema, as the service's role; returns the ids that were applied.

    A lock makes simultaneous calls wait for each other. Synchronous: for deployment, not for an event loop.
    """
    from yoyo import get_backend, read_migrations  # with its client a tenth of the time that a start takes

    backend = get_backend(_yoyo_url(dsn, service))
    try:
        migrations = read_migrations(str(SHARED), str(folder))
        with backend.lock():
            todo = backend.to_apply(migrations)
            applied = [migration.id for migration in todo]
            backend.apply_migrations(todo)
        return applied
    finally:
        backend.connection.close()


def _yoyo_url(dsn: str, service: str) -> str:
    """The DSN with psycopg 3 as driver, the service's schema and role."""
    parts = urlsplit(dsn)
    query = dict(parse_qsl(parts.query))
    query |= {"options": f"-c role=longshore_{service} -c search_path={service}", "schema": service}
    return urlunsplit(("postgresql+psycopg", parts.netloc, parts.path, urlencode(query, quote_via=quote), ""))

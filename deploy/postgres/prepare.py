"""`python -m deploy.postgres`: what has to be in the database before a service starts. Safe to run again at any time."""

import asyncio
from importlib.resources import files
from pathlib import Path

import asyncpg

from libs.postgres.migrate import is_current, migrate

SERVICES = ("gateway", "session", "storage_notification", "ingest", "transcoder", "delivery")

ROLE_AND_SCHEMA = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'longshore_{service}') THEN
        CREATE ROLE longshore_{service} NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
GRANT longshore_{service} TO CURRENT_USER;
CREATE SCHEMA IF NOT EXISTS {service} AUTHORIZATION longshore_{service};
"""


async def prepare(dsn: str) -> None:
    """Creates each service's role and schema and applies its migrations; `dsn` must be allowed to create roles."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        await connection.execute("SELECT pg_advisory_lock(hashtext('longshore.prepare'))")
        for service in SERVICES:
            await connection.execute(ROLE_AND_SCHEMA.format(service=service))
        for service in SERVICES:
            folder = Path(str(files(f"services.{service}"))) / "migrations"
            if not await is_current(connection, service, folder):
                await asyncio.to_thread(migrate, dsn, service, folder)
    finally:
        await connection.close()

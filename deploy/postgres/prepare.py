"""`python -m deploy.postgres`: what has to be in the database before a service starts. Safe to run again at any time."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import asyncpg

from libs.postgres.migrate import is_current, migrate
from libs.runtime.settings import ServiceSettings

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


async def prepare_all(settings: ServiceSettings) -> None:
    """The databases of all services; each must have a DSN."""
    services: defaultdict[str, list[str]] = defaultdict(list)
    for service in SERVICES:
        if (dsn := settings.dsn_of(service)) is None:
            raise ValueError(f"the service {service} has no DSN")
        services[dsn].append(service)
    for dsn, served in services.items():
        await prepare(dsn, served)


async def prepare(dsn: str, services: Sequence[str] = SERVICES) -> None:
    """Creates each service's role and schema and applies its migrations; `dsn` must be allowed to create roles."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        await connection.execute("SELECT pg_advisory_lock(hashtext('longshore.prepare'))")
        for service in services:
            await connection.execute(ROLE_AND_SCHEMA.format(service=service))
        for service in services:
            folder = Path(str(files(f"services.{service}"))) / "migrations"
            if not await is_current(connection, service, folder):
                await asyncio.to_thread(migrate, dsn, service, folder)
    finally:
        await connection.close()

"""A database login per service, as docs/operations.md has it."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio

from libs.postgres.database import Database

OPERATIONS = Path(__file__).parents[3] / "docs" / "operations.md"


@pytest_asyncio.fixture
async def gateways_dsn(database_dsn: str) -> AsyncIterator[str]:
    """The documented statements, run by the administrator."""
    login, password = f"gateway_login_{uuid4().hex[:8]}", uuid4().hex
    statements = re.findall(r"^    ((?:CREATE ROLE|GRANT) .*gateway_login.*;)$", OPERATIONS.read_text(), re.MULTILINE)
    assert len(statements) == 2
    admin = await asyncpg.connect(database_dsn)
    try:
        for statement in statements:
            await admin.execute(statement.replace("gateway_login", login).replace("…", password))
        parts = urlsplit(database_dsn)
        yield parts._replace(netloc=f"{login}:{password}@{parts.netloc.rpartition('@')[2]}").geturl()
        await admin.execute(f"DROP ROLE {login}")
    finally:
        await admin.close()


async def test_a_login_of_its_own_opens_its_services_schema(gateways_dsn: str) -> None:
    database = Database(gateways_dsn, "gateway")
    await database.open()
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM tenants") == 0
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetchval("SELECT count(*) FROM session.outbox")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("SET ROLE longshore_session")
    await database.close()


async def test_it_opens_no_other_services_schema(gateways_dsn: str) -> None:
    with pytest.raises(asyncpg.PostgresError, match="permission denied to set role"):
        await Database(gateways_dsn, "session").open()

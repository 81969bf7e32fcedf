"""The operator's commands."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from typer.testing import CliRunner

from deploy.cli import app
from libs.outbox.unit_of_work import Outbox
from libs.runtime.secret import SecretBox, new_key

run = CliRunner().invoke


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, database_dsn: str) -> None:
    monkeypatch.setenv("LONGSHORE_POSTGRES_DSN", database_dsn)
    monkeypatch.setenv("LONGSHORE_SECRET_KEY", new_key())


def test_a_secret_key_is_one_that_encrypts() -> None:
    key = run(app, ["secret-key"]).stdout.strip()
    box = SecretBox(key)
    assert box.open(box.seal("told")) == "told"


def test_migrations_can_be_run_again() -> None:
    assert run(app, ["migrate"]).exit_code == 0


async def test_a_new_tenant_is_stored_and_announced(open_outbox: Callable[[str], Awaitable[Outbox]]) -> None:
    printed = await asyncio.to_thread(run, app, ["tenant", "create", "Acme"])
    created = json.loads(printed.stdout)

    assert created["org"].startswith("org-")
    assert created["webhook_secret"].startswith("whsec_")
    gateway = await open_outbox("gateway")
    async with gateway.database.connection() as connection:
        assert await connection.fetchval("SELECT name FROM tenants WHERE id::text = $1", created["tenant_id"]) == "Acme"
        assert await connection.fetchval("SELECT count(*) FROM outbox") == 1


def test_an_unknown_service_is_refused() -> None:
    result = run(app, ["dead-letters", "list", "nonsense"])
    assert result.exit_code == 1


def test_a_service_without_dead_letters_lists_none() -> None:
    result = run(app, ["dead-letters", "list", "session"])
    assert (result.exit_code, result.stdout) == (0, "")

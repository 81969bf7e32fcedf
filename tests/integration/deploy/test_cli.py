"""The operator's commands."""

import asyncio
import json
import logging
import sys
from collections.abc import Awaitable, Callable, Iterator

import pytest
import structlog
from typer.testing import CliRunner

from deploy.cli import app
from libs.outbox.unit_of_work import Outbox
from libs.runtime.secret import SecretBox, new_key
from services.gateway.auth import key_hash
from services.gateway.store import TenantStore
from services.gateway.store.private_token import holder_of_private_token
from services.gateway.store.tenant import KeyHolder

run = CliRunner().invoke


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, database_dsn: str) -> Iterator[None]:
    monkeypatch.setenv("LONGSHORE_POSTGRES_DSN", database_dsn)
    monkeypatch.setenv("LONGSHORE_SECRET_KEY", new_key())
    # The command's own logging is for a process of its own: here it would outlive the streams that the runner closes.
    monkeypatch.setattr("deploy.cli.configure_logging", _log_to_stderr)
    yield
    structlog.reset_defaults()


def _log_to_stderr(*_settings: str) -> None:
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.__stderr__),
    )


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


async def holder_of(gateway: Outbox, api_key: str) -> KeyHolder | None:
    async with gateway.database.connection() as connection:
        return await TenantStore(connection).holder_of_key(key_hash(api_key))


def created_tenant() -> dict[str, str]:
    found: dict[str, str] = json.loads(run(app, ["tenant", "create", "Acme"]).stdout)
    return found


async def done(*command: str) -> str:
    """What a command that succeeds prints."""
    result = await asyncio.to_thread(run, app, ["tenant", *command])
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


@pytest.mark.parametrize("known_as", ["tenant_id", "org", "client_id"])
async def test_a_key_that_is_added_stands_for_the_tenant(
    open_outbox: Callable[[str], Awaitable[Outbox]], known_as: str
) -> None:
    tenant = await asyncio.to_thread(created_tenant)

    api_key = await done("key", "add", tenant[known_as], "--role", "viewer", "--name", "dashboard")

    holder = await holder_of(await open_outbox("gateway"), api_key)
    assert holder is not None
    assert (str(holder.tenant_id), holder.role) == (tenant["tenant_id"], "viewer")


async def test_a_revoked_key_stands_for_nobody_and_others_stay(open_outbox: Callable[[str], Awaitable[Outbox]]) -> None:
    tenant = await asyncio.to_thread(created_tenant)
    api_key = await done("key", "add", tenant["org"], "--name", "dashboard")

    assert await done("key", "revoke", tenant["org"], "dashboard") == "1 revoked"

    gateway = await open_outbox("gateway")
    assert await holder_of(gateway, api_key) is None
    assert await holder_of(gateway, tenant["api_key"]) is not None
    again = await asyncio.to_thread(run, app, ["tenant", "key", "revoke", tenant["org"], "dashboard"])
    assert again.exit_code == 1


async def test_the_list_names_tenants_with_their_keys_and_tells_no_secret() -> None:
    assert await done("list") == ""
    tenant = await asyncio.to_thread(created_tenant)
    await done("key", "add", tenant["org"], "--role", "viewer", "--name", "dashboard")
    await done("key", "add", tenant["org"], "--name", "gone")
    await done("key", "revoke", tenant["org"], "gone")

    [line] = (await done("list")).splitlines()

    assert line == (
        f"{tenant['tenant_id']}  {tenant['org']}  {tenant['client_id']}  Acme  [operator (admin), dashboard (viewer)]"
    )


async def test_storage_is_blocked_and_given_back(open_outbox: Callable[[str], Awaitable[Outbox]]) -> None:  # J-20
    tenant = await asyncio.to_thread(created_tenant)
    gateway = await open_outbox("gateway")

    await done("block", tenant["org"])
    blocked = await holder_of(gateway, tenant["api_key"])
    listed = await done("list")
    await done("unblock", tenant["org"])
    unblocked = await holder_of(gateway, tenant["api_key"])

    assert blocked is not None and blocked.storage_blocked_at is not None
    assert listed.endswith("storage blocked")
    assert unblocked is not None and unblocked.storage_blocked_at is None


@pytest.mark.parametrize("command", [["block"], ["unblock"], ["key", "add"], ["key", "revoke"]])
def test_a_tenant_that_is_not_there_is_named(command: list[str]) -> None:
    names = ["nobody", "key"] if command[-1] == "revoke" else ["nobody"]
    result = run(app, ["tenant", *command, *names])
    assert (result.exit_code, result.stderr) == (1, "longshore: there is no tenant nobody\n")


async def test_private_tokens_are_added_and_revoked(open_outbox: Callable[[str], Awaitable[Outbox]]) -> None:
    # M-03
    tenant = await asyncio.to_thread(created_tenant)
    gateway = await open_outbox("gateway")

    async def holder(token: str) -> KeyHolder | None:
        async with gateway.database.connection() as connection:
            return await holder_of_private_token(connection, key_hash(token))

    token = await done("private-token", "add", tenant["org"], "--role", "render", "--name", "nas")
    found = await holder(token)
    assert found is not None
    assert (str(found.tenant_id), found.role) == (tenant["tenant_id"], "render")
    assert await holder_of(gateway, token) is None

    assert await done("private-token", "revoke", tenant["org"], "nas") == "1 revoked"
    assert await holder(token) is None
    again = await asyncio.to_thread(run, app, ["tenant", "private-token", "revoke", tenant["org"], "nas"])
    assert again.exit_code == 1

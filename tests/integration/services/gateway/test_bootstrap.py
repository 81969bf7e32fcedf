"""The first start, and every start after it."""

import asyncio
import json
import re
import stat
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from contracts.envelope import Envelope
from contracts.events import TenantConfigured
from libs.outbox.unit_of_work import Outbox
from libs.runtime.secret import SecretBox, new_key
from services.gateway.auth import key_hash
from services.gateway.bearer import Bearers, TokenRules
from services.gateway.bootstrap import Bootstrap
from services.gateway.store import TenantStore
from services.gateway.store.private_token import holder_of_private_token

KEY = new_key()


def bootstrap(outbox: Outbox, path: Path, base_url: str = "http://127.0.0.1:8080", recovers: bool = False) -> Bootstrap:
    return Bootstrap(
        outbox,
        SecretBox(KEY),
        Bearers(outbox.database, TokenRules("longshore", "longshore", ["s" * 32]), cache_seconds=0),
        path,
        base_url=base_url,
        ops_url="http://127.0.0.1:8081",
        max_file_size_bytes=5 * 2**30,
        watch_root=path.parent / "watch",
        recovers=recovers,
    )


async def is_known(outbox: Outbox, api_key: str) -> bool:
    async with outbox.database.connection() as connection:
        return await TenantStore(connection).holder_of_key(key_hash(api_key)) is not None


async def is_private_token(outbox: Outbox, token: str) -> bool:
    async with outbox.database.connection() as connection:
        return await holder_of_private_token(connection, key_hash(token)) is not None


async def started(outbox: Outbox, path: Path, **options: Any) -> dict[str, str]:
    await bootstrap(outbox, path, **options).open()
    credentials: dict[str, str] = json.loads(path.read_bytes())
    return credentials


async def configured(outbox: Outbox) -> list[TenantConfigured]:
    async with outbox.database.connection() as connection:
        rows = await connection.fetch("SELECT unnest(envelopes) AS envelope FROM outbox")
    events = [Envelope.model_validate_json(row["envelope"]).event() for row in rows]
    return [event for event in events if isinstance(event, TenantConfigured)]


async def test_the_first_start_writes_credentials_that_work(outbox: Outbox, tmp_path: Path) -> None:
    path = tmp_path / "data" / "credentials.json"

    credentials = await started(outbox, path)

    assert set(credentials) == {
        "base_url", "ops_url", "tenant_id", "client_id", "org", "api_key", "webhook_secret", "public_key", "secret_key",
        "admin_token", "private_token", "bearer_token", "accounts", "watch_folder",
    }  # fmt: skip
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (credentials["base_url"], credentials["ops_url"]) == ("http://127.0.0.1:8080", "http://127.0.0.1:8081")
    assert re.fullmatch(r"org-[0-9a-f]{16}", credentials["org"])
    assert re.fullmatch(r"c[a-z0-9]{11,31}", credentials["client_id"])
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/=]{44}", credentials["webhook_secret"])
    async with outbox.database.connection() as connection:
        holder = await TenantStore(connection).holder_of_key(key_hash(credentials["api_key"]))
    assert holder is not None
    assert (str(holder.tenant_id), holder.role) == (credentials["tenant_id"], "admin")
    async with outbox.database.connection() as connection:
        holder = await holder_of_private_token(connection, key_hash(credentials["private_token"]))
    assert holder is not None
    assert (str(holder.tenant_id), holder.role) == (credentials["tenant_id"], "admin")
    assert list(path.parent.iterdir()) == [path]


async def test_the_tenant_is_announced_with_its_sealed_secret(outbox: Outbox, tmp_path: Path) -> None:
    credentials = await started(outbox, tmp_path / "credentials.json")

    [event] = await configured(outbox)
    assert str(event.tenant_id) == credentials["tenant_id"]
    assert SecretBox(KEY).open(event.webhook_secret_encrypted) == credentials["webhook_secret"]


async def test_another_start_changes_nothing_but_the_addresses(outbox: Outbox, tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    first = await started(outbox, path)
    second = await started(outbox, path)
    moved = await started(outbox, path, base_url="http://127.0.0.1:9000")

    assert second == first
    assert moved == {**first, "base_url": "http://127.0.0.1:9000"}
    assert len(await configured(outbox)) == 1


UNUSABLE = (None, "", "{", "[]", '{"api_key": 5}', '{"api_key": "lsk_unknown"}')


async def test_a_lost_file_comes_back_with_another_key_instead_of_the_lost_one(outbox: Outbox, tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    first = last = await started(outbox, path)
    for content in UNUSABLE:
        path.unlink()
        if content is not None:
            path.write_text(content)
        found = await started(outbox, path, recovers=True)

        lost = {"api_key": "", "admin_token": "", "private_token": "", "bearer_token": ""}
        assert {**found, **lost} == {**first, **lost}
        assert await is_known(outbox, found["api_key"])
        assert not await is_known(outbox, last["api_key"])
        assert await is_private_token(outbox, found["private_token"])
        assert not await is_private_token(outbox, last["private_token"])
        last = found


@pytest.mark.parametrize("content", UNUSABLE)
async def test_a_service_without_the_file_makes_no_key(outbox: Outbox, tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "credentials.json"
    first = await started(outbox, tmp_path / "elsewhere.json")
    if content is not None:
        path.write_text(content)

    with capture_logs() as logs:
        await bootstrap(outbox, path).open()

    assert [entry["event"] for entry in logs] == ["bootstrap.credentials_elsewhere"]
    assert (path.read_text() if path.exists() else None) == content
    assert await is_known(outbox, first["api_key"])
    async with outbox.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM api_keys") == 1


async def test_replicas_that_start_together_make_one_tenant_one_key_and_one_file(outbox: Outbox, tmp_path: Path) -> None:
    paths = [tmp_path / str(number) / "credentials.json" for number in range(4)]

    await asyncio.gather(*(bootstrap(outbox, path).open() for path in (*paths, *paths)))

    [written] = [path for path in paths if path.exists()]
    assert await is_known(outbox, json.loads(written.read_bytes())["api_key"])
    assert len(await configured(outbox)) == 1
    async with outbox.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM api_keys") == 1

"""Starting and stopping, as an operator sees it."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import platform
from tests.e2e.client import Client, client_of
from tests.e2e.conftest import real_servers, running
from tests.e2e.platform import SERVICES, Platform

SERVERS = ("LONGSHORE_POSTGRES_DSN", "LONGSHORE_BUS_URL", "LONGSHORE_S3_URL")


async def test_standalone_says_that_it_is_ready_writes_credentials_and_stops_cleanly(tmp_path: Path) -> None:
    built = platform.standalone(tmp_path, LONGSHORE_HTTP_PORT="0", LONGSHORE_OPS_PORT="0")
    process = built.processes["standalone"]

    line = await asyncio.to_thread(process.start)
    try:
        credentials = built.credentials
        assert credentials.base_url in line
        assert (built.data_dir / "credentials.json").stat().st_mode & 0o777 == 0o600
        assert credentials.org.startswith("org-")
        assert credentials.webhook_secret.startswith("whsec_")
        async with client_of(credentials) as client:
            assert (await client.request("GET", f"{credentials.ops_url}/readyz")).status == 200
            kept = await client.upload(b"kept")
            await client.until_terminal(kept["id"])
    finally:
        status = await asyncio.to_thread(process.stop)
    assert status == 0
    assert not (built.data_dir / "postgres" / "postmaster.pid").exists()

    # What was there is there again, for the same tenant
    await asyncio.to_thread(process.start)
    try:
        assert built.credentials.api_key == credentials.api_key
        async with client_of(built.credentials) as client:
            assert (await client.state(kept["id"]))["state"] == "READY"
    finally:
        await asyncio.to_thread(process.stop)


async def test_standalone_starts_again_after_kill(tmp_path: Path) -> None:
    built = platform.standalone(tmp_path)
    process = built.processes["standalone"]
    await asyncio.to_thread(process.start)
    await asyncio.to_thread(process.kill)

    try:
        await asyncio.to_thread(process.start)
        async with client_of(built.credentials) as client:
            created = await client.upload(b"after")
            assert (await client.until_terminal(created["id"]))["state"] == "READY"
    finally:
        await asyncio.to_thread(process.stop)


@pytest.fixture
def standalone_on_servers(tmp_path: Path, postgres_dsn: str) -> Iterator[Platform]:
    with real_servers(tmp_path, postgres_dsn) as (built, _broker):
        servers = {name: built.processes["gateway"].environment[name] for name in SERVERS}
        alone = platform.standalone(tmp_path, **servers)
        with running(alone):
            yield alone


async def test_standalone_works_on_real_servers_too(standalone_on_servers: Platform, image: bytes) -> None:
    async with client_of(standalone_on_servers.credentials) as client:
        created = await client.upload(image, file_type="image", content_type="image/png")
        assert (await client.until_terminal(created["id"]))["state"] == "READY"
        assert (await client.request("GET", created["public_url"])).body == image
    assert not (standalone_on_servers.data_dir / "postgres").exists()
    assert not (standalone_on_servers.data_dir / "objects").exists()


def test_what_prevents_a_start_is_said_in_one_line(tmp_path: Path) -> None:
    built = platform.standalone(tmp_path)
    with running(built):
        same_folder = _refused("deploy.standalone", built.processes["standalone"].environment)
        elsewhere = built.processes["standalone"].environment | {"LONGSHORE_DATA_DIR": str(tmp_path / "other")}
        same_port = _refused("deploy.standalone", elsewhere)

    assert (same_folder.returncode, "already uses" in same_folder.stderr) == (1, True)
    assert (same_port.returncode, "already in use" in same_port.stderr) == (1, True)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_names_the_settings_that_it_misses(service: str) -> None:
    refused = _refused(f"services.{service}", {"LONGSHORE_POSTGRES_DSN": "postgresql://nowhere/x"})

    assert refused.returncode == 2
    assert "LONGSHORE_BUS_URL" in refused.stderr
    assert "LONGSHORE_POSTGRES_DSN" not in refused.stderr


async def test_every_process_tells_its_health_and_metrics(shared_platform: Platform, client: Client) -> None:
    for process in shared_platform.processes.values():
        ops_url = f"http://127.0.0.1:{process.environment['LONGSHORE_OPS_PORT']}"
        assert (await client.request("GET", f"{ops_url}/livez")).status == 200
        assert (await client.request("GET", f"{ops_url}/readyz")).status == 200
        assert b"# TYPE" in (await client.request("GET", f"{ops_url}/metrics")).body


async def test_the_document_of_all_routes_is_served(client: Client) -> None:
    document = await client.request("GET", f"{client.credentials.base_url}/openapi.json")
    page = await client.request("GET", f"{client.credentials.base_url}/docs")

    assert json.loads(document.body)["openapi"].startswith("3.1")
    assert {"/api/v1/uploads", "/v2/media/file"} <= json.loads(document.body)["paths"].keys()
    assert (page.status, page.headers["Content-Type"].partition(";")[0]) == (200, "text/html")


def _refused(module: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A start that must fail at once, with one line."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LONGSHORE_")}
    result = subprocess.run(
        [sys.executable, "-m", module], env=clean | environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    return result

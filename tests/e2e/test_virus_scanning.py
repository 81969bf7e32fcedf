"""Virus scanning as clients and operators see it, with a real clamd."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from aiohttp import FormData

from tests.e2e import platform
from tests.e2e.client import Answer, Client, client_of, until
from tests.e2e.conftest import FORMS, real_servers, running
from tests.e2e.platform import Platform
from tests.servers import clamd
from tests.servers.clamd import INFECTED, VIRUS, ClamdServer


@pytest.fixture
def scanner() -> Iterator[ClamdServer]:
    with clamd.running() as server:
        yield server


@pytest.fixture(params=FORMS)
def scanned_platform(request: pytest.FixtureRequest, tmp_path: Path, scanner: ClamdServer) -> Iterator[Platform]:
    settings = {"LONGSHORE_CLAMD_URL": scanner.url}
    with ExitStack() as stack:
        if request.param == "standalone":
            built = platform.standalone(tmp_path, **settings)
        else:
            settings |= {"LONGSHORE_STORAGE_RECONCILE_SECONDS": "0.5", "LONGSHORE_STORAGE_GRACE_SECONDS": "0.1"}
            dsn = request.getfixturevalue("postgres_dsn")
            built, _broker = stack.enter_context(real_servers(tmp_path, dsn, **settings))
        stack.enter_context(running(built))
        yield built


def scanning_ops_url(built: Platform) -> str:
    process = built.processes.get("session") or built.processes["standalone"]
    return f"http://127.0.0.1:{process.environment['LONGSHORE_OPS_PORT']}"


async def unready(client: Client, ops_url: str) -> dict[str, str]:
    answer = await client.request("GET", f"{ops_url}/readyz")
    failed: dict[str, str] = answer.json.get("failed", {})
    return failed


async def direct(client: Client, content: bytes) -> Answer:
    form = FormData({"UPLOADCARE_PUB_KEY": client.credentials.public_key})
    form.add_field("file", content, filename="file.bin", content_type="application/octet-stream")
    return await client.request("POST", f"{client.credentials.base_url}/base/", data=form)


# U-45
async def test_infected_files_are_refused_and_nothing_is_accepted_while_the_scanner_is_away(
    scanned_platform: Platform, scanner: ClamdServer
) -> None:
    ops_url = scanning_ops_url(scanned_platform)
    async with client_of(scanned_platform.credentials) as client:
        # Given a scanner that works: the clean file is served, the infected one never
        clean, infected = await client.upload(b"clean"), await client.upload(b"bytes, " + INFECTED)
        assert (await client.until_terminal(clean["id"]))["state"] == "READY"
        refused = await client.until_terminal(infected["id"])
        assert refused["state"] == "REJECTED"
        assert refused["error"] == {"code": "infected", "message": VIRUS}
        assert (await client.request("GET", clean["public_url"])).body == b"clean"
        assert (await client.request("GET", infected["public_url"])).status == 404
        assert await unready(client, ops_url) == {}
        # And the Uploadcare API names the virus in the answer itself (U-E79)
        assert list((await direct(client, b"clean")).json) == ["file"]
        named = await direct(client, b"bytes, " + INFECTED)
        assert named.status == 400
        assert named.json["error"]["content"] == f"The file is infected by {VIRUS} virus."

        # When it goes away
        await asyncio.to_thread(scanner.stop)
        waiting, hidden = await client.upload(b"clean, too"), await client.upload(INFECTED)

        async def failed_scans() -> bool:
            metrics = (await client.request("GET", f"{ops_url}/metrics")).body.decode()
            counts = [line.split()[-1] for line in metrics.splitlines() if 'session_scans_total{result="failed"}' in line]
            return bool(counts) and float(counts[0]) >= 2

        # Then uploads wait, and readiness names the reason
        await until(failed_scans)
        assert await unready(client, ops_url) == {"session.Clamd": "ClamdError"}
        for created in (waiting, hidden):
            assert (await client.state(created["id"]))["state"] in ("REGISTERED", "STORED")
            assert (await client.request("GET", created["public_url"])).status == 404

        # And go on when it is back
        await asyncio.to_thread(scanner.start)
        assert (await client.until_terminal(waiting["id"], 90))["state"] == "READY"
        assert (await client.until_terminal(hidden["id"], 90))["state"] == "REJECTED"
        assert (await client.request("GET", hidden["public_url"])).status == 404

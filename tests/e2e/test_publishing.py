"""500 uploads to four accounts each, while destinations fail at random and hang and delivery is killed ten times.

Every account ends in the right state, exactly once; nothing is published twice where repetitions can be known; and the quota
used is the number of publications.
"""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.e2e.client import Client, client_of, until
from tests.e2e.conftest import real_servers, running
from tests.e2e.platform import Platform

pytestmark = pytest.mark.timeout(900)

COUNT = 500
KILLS = 10
AT_ONCE = 8
PATIENCE_SECONDS = 500
PUBLIC = {"Scheduled", "Processing", "Uploaded", "Failed"}
REFUSED = "refuse"
"""A title with this word is refused for good by the HTTP destination."""
QUICK = {
    "LONGSHORE_POSTGRES_POOL": "8",
    "LONGSHORE_DELIVERY_PUBLICATION_SCHEDULE_SECONDS": ",".join(["0", *["0.5"] * 200]),
    "LONGSHORE_DELIVERY_PUBLICATION_LEASE_SECONDS": "3",
    "LONGSHORE_DELIVERY_IDLE_SECONDS": "1",
    "LONGSHORE_DELIVERY_TIMEOUT_SECONDS": "2",
    "LONGSHORE_DELIVERY_ACCOUNT_CONCURRENCY": "8",
    "LONGSHORE_STORAGE_RECONCILE_SECONDS": "0.5",
    "LONGSHORE_STORAGE_GRACE_SECONDS": "0.1",
}


@dataclass
class Destination:
    """Takes files by their Idempotency-Key and messages by their `webhook-id`; fails now and then, or does not answer."""

    url: str = ""
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    taken: dict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    kinds: dict[str, str] = field(default_factory=dict)

    async def take_file(self, request: web.Request) -> web.StreamResponse:
        return await self._take(request, "http", request.headers["Idempotency-Key"])

    async def take_message(self, request: web.Request) -> web.StreamResponse:
        return await self._take(request, "webhook", request.headers["webhook-id"])

    async def _take(self, request: web.Request, kind: str, key: str) -> web.StreamResponse:
        body = await request.read()
        fate = self.chance.random()
        if fate < 0.1:
            return web.Response(status=self.chance.choice([429, 500, 503]))
        if kind == "http" and body.startswith(REFUSED.encode()):
            return web.Response(status=422)
        self.kinds[key] = kind
        if kind == "http":
            self.taken[key].add(body)
        if fate < 0.15:  # done, but nobody hears of it
            await asyncio.Event().wait()
        return web.json_response({"id": key})


@asynccontextmanager
async def destination() -> AsyncIterator[Destination]:
    built = Destination()
    application = web.Application()
    application.router.add_put("/files/{name}", built.take_file)
    application.router.add_post("/messages", built.take_message)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    built.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield built
    finally:
        await runner.cleanup()


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory, postgres_dsn: str) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("publishing")
    settings = {**QUICK, "LONGSHORE_DELIVERY_DIRECTORY_ROOT": str(folder / "published")}
    with real_servers(folder, postgres_dsn, **settings) as (built, _broker), running(built):
        yield built


async def test_500_uploads_to_four_accounts_each_end_right_and_once(processes: Platform) -> None:
    # T-19, T-22, T-23, T-24
    async with client_of(processes.credentials) as client, destination() as there:
        accounts = await linked(client, there)
        # Given uploads on their way to all of them
        uploading = asyncio.create_task(upload_all(client, list(accounts.values())))

        # When delivery is killed again and again
        process = processes.processes["delivery"]
        for _ in range(KILLS):
            await progress(there)
            await asyncio.to_thread(process.kill)
            await asyncio.to_thread(process.start)
        uploads = await uploading

        # Then each publication ends, once, as its destination said
        ended = await asyncio.wait_for(all_ended(client, uploads), PATIENCE_SECONDS)
        for number, shown in ended.items():
            by_account = {account["accountId"]: account for account in shown["accounts"]}
            failed = {accounts["http"]} if is_refused(number) else set()
            assert {name for name, account in by_account.items() if account["status"] == "Failed"} == failed
            assert {by_account[name]["errorCode"] for name in failed} <= {"destination_rejected"}
            assert shown["status"] == ("Failed" if failed else "Uploaded")

        files = sorted(path.name for path in (folder_of(processes) / "many").iterdir())
        assert len(files) == COUNT
        http = [key for key, kind in there.kinds.items() if kind == "http"]
        assert len(http) == COUNT - sum(map(is_refused, range(COUNT)))
        assert all(len(there.taken[key]) == 1 for key in http)
        assert Counter(there.kinds.values())["webhook"] == COUNT

        for kind, account_id in accounts.items():
            account = (await client.call("GET", f"/platform/v1/accounts/{account_id}")).json
            published = len(http) if kind == "http" else COUNT
            assert (account["quota_used"], account["quota_reserved"]) == (published, 0), kind


async def linked(client: Client, there: Destination) -> dict[str, str]:
    """Kind → account id; "other" is a second folder."""
    secret = client.credentials.webhook_secret
    settings: dict[str, tuple[str, dict[str, Any]]] = {
        "directory": ("directory", {"path": "many"}),
        "other": ("directory", {"path": "more"}),
        "http": ("http", {"url": f"{there.url}/files/{{publication_id}}"}),
        "webhook": ("webhook", {"url": f"{there.url}/messages", "secret": secret}),
    }
    found: dict[str, str] = {}
    for name, (kind, chosen) in settings.items():
        answer = await client.call("POST", "/platform/v1/accounts", {"kind": kind, "name": name, "settings": chosen})
        assert answer.status == 201, answer
        found[name] = answer.json["id"]
    return found


async def upload_all(client: Client, accounts: list[str]) -> dict[int, str]:
    """Number → upload id."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> str:
        word = REFUSED if is_refused(number) else "publish"
        form = aiohttp.FormData()
        for account in accounts:
            form.add_field("accounts", account)
        form.add_field("title", f"{word} {number}")
        form.add_field("file", f"{word} {number}".encode(), filename=f"{number}.txt", content_type="text/plain")
        async with gate:
            answer = await client.request(
                "POST",
                f"{client.credentials.base_url}/api/upload",
                data=form,
                headers={"X-Api-Key": client.credentials.api_key},
            )
        assert answer.status == 201, answer
        return str(answer.json["uploadId"])

    ids = await asyncio.gather(*(one(number) for number in range(COUNT)))
    return dict(enumerate(ids))


def is_refused(number: int) -> bool:
    return number % 10 == 0


async def progress(there: Destination) -> None:
    """Returns when a few more publications have come through, or when there is nothing left that could."""
    before = len(there.kinds)

    async def moved() -> bool:
        return len(there.kinds) >= min(before + COUNT // 20, 2 * COUNT - COUNT // 10)

    await until(moved, PATIENCE_SECONDS)


async def all_ended(client: Client, uploads: dict[int, str]) -> dict[int, dict[str, Any]]:
    """Number → status, of all; no status that is not public is ever seen."""
    ended: dict[int, dict[str, Any]] = {}
    gate = asyncio.Semaphore(AT_ONCE)

    async def look(number: int, upload_id: str) -> None:
        async with gate:
            answer = await client.call("GET", f"/api/upload/{upload_id}/status")
        assert answer.status == 200, answer
        statuses = {account["status"] for account in answer.json["accounts"]}
        assert statuses <= PUBLIC
        if statuses <= {"Uploaded", "Failed"}:
            ended[number] = answer.json

    while len(ended) < len(uploads):
        await asyncio.gather(*(look(number, upload_id) for number, upload_id in uploads.items() if number not in ended))
        await asyncio.sleep(0.2)
    return ended


def folder_of(built: Platform) -> Path:
    root = built.processes["delivery"].environment["LONGSHORE_DELIVERY_DIRECTORY_ROOT"]
    return Path(root) / built.credentials.tenant_id

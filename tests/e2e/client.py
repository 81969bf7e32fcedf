"""The two APIs as a client without a library would call them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from multidict import CIMultiDictProxy

from tests.e2e.platform import Credentials

TERMINAL = {"READY", "PROCESSING_FAILED", "REJECTED", "ABORTED", "EXPIRED", "DELETED"}


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: CIMultiDictProxy[str]
    json: Any = None


@dataclass(frozen=True)
class Client:
    """One tenant's calls."""

    http: aiohttp.ClientSession
    credentials: Credentials

    async def call(self, method: str, path: str, json: Any = None, *, headers: dict[str, str] | None = None) -> Answer:
        """`path` below the base URL, or a whole URL; the API key goes with it."""
        url = path if path.startswith("http") else self.credentials.base_url + path
        return await self.request(method, url, json=json, headers={"X-API-Key": self.credentials.api_key} | (headers or {}))

    async def request(self, method: str, url: str, **options: Any) -> Answer:
        """A call without credentials."""
        async with self.http.request(method, url, **options) as response:
            body = await response.read()
            is_json = "json" in response.headers.get("Content-Type", "")
            return Answer(response.status, body, response.headers, await response.json(content_type=None) if is_json else None)

    async def register(self, **fields: Any) -> dict[str, Any]:
        """eachlabs: POST /api/v1/uploads."""
        body = {"owner": self.credentials.org, "uploader": "customer"} | fields
        answer = await self.call("POST", "/api/v1/uploads", body)
        assert answer.status == 200, answer
        created: dict[str, Any] = answer.json
        return created

    async def put(self, created: dict[str, Any], content: bytes, **headers: str) -> Answer:
        all_headers = created["required_headers"] | headers
        return await self.request("PUT", created["upload_url"], data=content, headers=all_headers)

    async def upload(self, content: bytes, **fields: Any) -> dict[str, Any]:
        """eachlabs: both steps."""
        created = await self.register(**fields)
        answer = await self.put(created, content)
        assert answer.status == 200, answer
        return created

    async def state(self, upload_id: str) -> dict[str, Any]:
        answer = await self.call("GET", f"/platform/v1/uploads/{upload_id}")
        assert answer.status == 200, answer
        found: dict[str, Any] = answer.json
        return found

    async def until_terminal(self, upload_id: str, seconds: float = 60) -> dict[str, Any]:
        async def done() -> dict[str, Any] | None:
            upload = await self.state(upload_id)
            return upload if upload["state"] in TERMINAL else None

        found: dict[str, Any] = await until(done, seconds)
        return found


async def until(ask: Callable[[], Awaitable[Any]], seconds: float = 60) -> Any:
    """What `ask` answers as soon as that is something."""
    last = None
    async with asyncio.timeout(seconds):
        while True:
            last = await ask()
            if last:
                return last
            await asyncio.sleep(0.1)


@asynccontextmanager
async def client_of(credentials: Credentials) -> AsyncIterator[Client]:
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False, headers={"Accept-Encoding": "identity"}) as http:
        yield Client(http, credentials)

"""What the demo's steps share: a client of the APIs that shows what it does."""

import asyncio
from dataclasses import dataclass
from typing import Any

import aiohttp

from deploy.terminal import Progress, say

END_STATES = {"READY", "PROCESSING_FAILED", "REJECTED", "ABORTED", "EXPIRED", "DELETED"}


class DemoError(Exception):
    """Something did not go as it must; the message says what."""

    code = "demo_failed"


@dataclass(frozen=True)
class Demo:
    """What the steps share."""

    http: aiohttp.ClientSession
    credentials: dict[str, Any]
    callback_url: str
    inbox: "asyncio.Queue[dict[str, Any]]"

    async def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        headers = {"X-API-Key": self.credentials["api_key"]}
        url = self.credentials["base_url"] + path
        async with self.http.request(method, url, json=body, headers=headers, params=query) as response:
            if response.status >= 400:
                raise DemoError(f"{method} {path} was answered {response.status}: {(await response.text())[:300]}")
            return await response.json()

    async def put(self, url: str, content: bytes, headers: dict[str, str]) -> None:
        async with self.http.put(url, data=content, headers=headers) as response:
            if response.status != 200:
                raise DemoError(f"the upload was answered {response.status}: {(await response.text())[:300]}")
        say(f"sent {len(content):,} bytes to the signed URL")

    async def watch(self, upload_id: str, label: str) -> dict[str, Any]:
        """Shows the upload's progress until it has reached its end; answers the platform's view of it."""
        version = 0
        with Progress(label) as progress:
            while True:
                found: dict[str, Any] = await self.call(
                    "GET", f"/platform/v1/uploads/{upload_id}", wait_version=version, wait_seconds=1
                )
                version = found["version"]
                progress.show(found["state"], found["progress_percent"])
                if found["state"] in END_STATES:
                    break
        if found["state"] != "READY":
            raise DemoError(f"{label} ended as {found['state']}: {found['error']}")
        return found

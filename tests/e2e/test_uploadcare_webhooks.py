"""A file's whole life through the Uploadcare API as its webhooks are told it, on both forms of the platform. Part 2.4."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from tests.e2e.client import Client

SECRET = "7kMVZivndx0ErgvhRKAr"
EVENTS = ("file.uploaded", "file.stored", "file.info_updated", "file.deleted", "file.infected")


@dataclass
class Hooks:
    """Receives webhooks; those with a wrong signature never count."""

    url: str = ""
    told: list[dict[str, Any]] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        expected = f"v1={hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}"
        if not hmac.compare_digest(request.headers["X-Uc-Signature"], expected):
            return web.Response(status=400)
        self.told.append(json.loads(body))
        self.came.set()
        return web.Response()

    def of(self, file_id: str) -> list[str]:
        return [told["hook"]["event"] for told in self.told if told["data"]["uuid"] == file_id]

    async def wait_until(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                self.came.clear()
                await self.came.wait()


@asynccontextmanager
async def receiving() -> AsyncIterator[Hooks]:
    hooks = Hooks()
    application = web.Application()
    application.router.add_post("/hook", hooks.take)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hooks.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield hooks
    finally:
        await runner.cleanup()


async def call(client: Client, method: str, path: str, body: Any = None) -> Any:
    credentials = client.credentials
    headers = {
        "Accept": "application/vnd.uploadcare-v0.7+json",
        "Authorization": f"Uploadcare.Simple {credentials.public_key}:{credentials.secret_key}",
    }
    answer = await client.request(method, credentials.base_url + path, json=body, headers=headers)
    assert answer.status < 300, answer
    return answer.json


async def upload(client: Client, content: bytes, store: str) -> str:
    form = aiohttp.FormData()
    form.add_field("UPLOADCARE_PUB_KEY", client.credentials.public_key)
    form.add_field("UPLOADCARE_STORE", store)
    form.add_field("file", content, filename="picture.png", content_type="image/png")
    answer = await client.request("POST", f"{client.credentials.base_url}/base/", data=form)
    assert answer.status == 200, answer
    return str(answer.json["file"])


async def test_a_files_life_is_told_step_by_step_and_each_step_once(client: Client, image: bytes) -> None:
    async with receiving() as hooks:
        for event in EVENTS:
            await call(client, "POST", "/webhooks/", {"target_url": hooks.url, "event": event, "signing_secret": SECRET})

        # Given a file that nobody stored yet
        file_id = await upload(client, image, "0")
        await hooks.wait_until(lambda: hooks.of(file_id) == ["file.uploaded"])
        address = next(told["file"] for told in hooks.told if told["data"]["uuid"] == file_id)
        assert (await client.request("GET", address)).body == image

        # When it is stored, described and deleted
        await call(client, "PUT", f"/files/{file_id}/storage/")
        await hooks.wait_until(lambda: len(hooks.of(file_id)) == 2)
        await call(client, "PUT", f"/files/{file_id}/metadata/pet/", "Zoë")
        await hooks.wait_until(lambda: len(hooks.of(file_id)) == 3)
        shown = await call(client, "GET", f"/files/{file_id}/")
        await call(client, "DELETE", f"/files/{file_id}/storage/")
        await hooks.wait_until(lambda: len(hooks.of(file_id)) == 4)

        # Then each step was told once, with the file as it was
        uploaded, stored, described, deleted = (told for told in hooks.told if told["data"]["uuid"] == file_id)
        assert hooks.of(file_id) == ["file.uploaded", "file.stored", "file.info_updated", "file.deleted"]
        assert uploaded["data"]["content_info"]["mime"]["mime"] == "image/png"
        assert (uploaded["data"]["datetime_stored"], uploaded["data"]["is_ready"]) == (None, True)
        assert stored["data"]["datetime_stored"] is not None
        assert (described["data"], described["previous_values"]) == (shown, {"metadata": {}})
        assert deleted["data"]["datetime_removed"] is not None

        # And a file that is stored at once is told as both
        other = await upload(client, image, "1")
        await hooks.wait_until(lambda: set(hooks.of(other)) == {"file.uploaded", "file.stored"})
        await call(client, "DELETE", "/webhooks/unsubscribe/", {"target_url": hooks.url})
        assert hooks.url not in [hook["target_url"] for hook in await call(client, "GET", "/webhooks/")]

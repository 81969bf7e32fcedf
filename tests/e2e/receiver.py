"""A callback's receiver: verifies every signature with the standard's own library and remembers what came."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from standardwebhooks.webhooks import Webhook


@dataclass(frozen=True)
class Received:
    path: str
    webhook_id: str
    body: bytes
    data: dict[str, Any]


@dataclass
class Receiver:
    url: str = ""
    calls: list[Received] = field(default_factory=list)
    refuse: int = 0
    """So many of the next calls are answered 503."""
    came: asyncio.Event = field(default_factory=asyncio.Event)

    def calls_at(self, path: str) -> list[Received]:
        return [call for call in self.calls if call.path == path]

    async def wait_until(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                self.came.clear()
                await self.came.wait()

    async def one_at(self, path: str, seconds: float = 60) -> Received:
        await self.wait_until(lambda: bool(self.calls_at(path)), seconds)
        return self.calls_at(path)[0]


@asynccontextmanager
async def receiving(secret: str) -> AsyncIterator[Receiver]:
    receiver = Receiver()
    webhook = Webhook(secret)

    async def take(request: web.Request) -> web.Response:
        body = await request.read()
        data = webhook.verify(body, dict(request.headers))
        receiver.calls.append(Received(request.path, request.headers["webhook-id"], body, data))
        receiver.came.set()
        if receiver.refuse > 0:
            receiver.refuse -= 1
            return web.Response(status=503)
        return web.Response(status=204)

    application = web.Application()
    application.router.add_post("/{path:.*}", take)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield receiver
    finally:
        await runner.cleanup()

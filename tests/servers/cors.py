"""What CORS rules of a bucket do, in front of an S3 server that knows none: rclone answers no preflight.

Everything else passes as it is, with the `Host` that a signature covers.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
from aiohttp import web
from yarl import URL

RULES = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "ETag"}


@contextmanager
def applied(server_url: str) -> Iterator[str]:
    """`http://host:port` of a way to the server at `server_url`, in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="cors")
    thread.start()
    way = _Way(server_url.rstrip("/"))
    try:
        yield asyncio.run_coroutine_threadsafe(way.open(), loop).result(10)
    finally:
        asyncio.run_coroutine_threadsafe(way.close(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class _Way:
    def __init__(self, server_url: str) -> None:
        self._server_url = server_url
        application = web.Application()
        application.router.add_route("OPTIONS", "/{path:.*}", self._preflight)
        application.router.add_route("*", "/{path:.*}", self._forward)
        self._runner = web.AppRunner(application, access_log=None)

    async def open(self) -> str:
        connector = aiohttp.TCPConnector(force_close=True)  # a streamed body cannot be sent again after a stale connection
        self._http = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        await self._runner.cleanup()
        await self._http.close()

    async def _preflight(self, request: web.Request) -> web.Response:
        asked = request.headers.get("Access-Control-Request-Headers", "")
        return web.Response(headers=RULES | {"Access-Control-Allow-Methods": "PUT", "Access-Control-Allow-Headers": asked})

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        url = URL(self._server_url + request.raw_path, encoded=True)
        headers = {name: value for name, value in request.headers.items() if name not in ("Connection", "Expect")}
        body = request.content if request.body_exists else None
        try:
            return await self._passed_on(request, url, headers, body)
        except aiohttp.ClientError:
            # The server hung up, which is no answer: the client finds its connection closed, as it would without this way.
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=502)

    async def _passed_on(
        self, request: web.Request, url: URL, headers: dict[str, str], body: aiohttp.StreamReader | None
    ) -> web.StreamResponse:
        async with self._http.request(request.method, url, headers=headers, data=body, allow_redirects=False) as answer:
            kept = {name: value for name, value in answer.headers.items() if name not in ("Connection", "Transfer-Encoding")}
            response = web.StreamResponse(status=answer.status, headers=kept | RULES)
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response

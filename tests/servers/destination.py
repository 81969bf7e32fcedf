"""Destinations on loopback that take what is published, refuse what is not as documented, and fail when they are told to.

`Destination` is told with `next_requests` what the next requests meet before they reach what it serves: `fails`, `cuts`,
`stalls`, `forgets_to_answer`.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from yarl import URL

Serve = Callable[[web.Request], Awaitable[web.StreamResponse]]
Fault = Callable[[web.Request, Serve], Awaitable[web.StreamResponse]]


@dataclass
class Destination:
    serve: Serve
    origin: str = ""
    requests: list[tuple[str, str]] = field(default_factory=list)
    """Method and path with query, of each request."""
    received_bytes: int = 0
    faults: list[Fault] = field(default_factory=list)
    stalled: asyncio.Event = field(default_factory=asyncio.Event)
    running: int = 0
    most_running: int = 0

    def next_requests(self, *faults: Fault) -> None:
        self.faults += faults

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path_qs))
        fault = self.faults.pop(0) if self.faults else None
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            return await (fault(request, self.serve) if fault else self.serve(request))
        finally:
            self.running -= 1


async def passes(request: web.Request, serve: Serve) -> web.StreamResponse:
    return await serve(request)


def fails(status: int, body: str = "no", **headers: str) -> Fault:
    async def answer(request: web.Request, serve: Serve) -> web.StreamResponse:
        async for _ in request.content.iter_chunked(2**16):
            pass
        return web.Response(status=status, text=body, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return answer


def cuts(after_bytes: int) -> Fault:
    """The connection breaks when so much of the body has come."""

    async def answer(request: web.Request, serve: Serve) -> web.StreamResponse:
        left = after_bytes
        while left > 0 and (piece := await request.content.read(left)):
            left -= len(piece)
        return _broken(request)

    return answer


def stalls(destination: Destination) -> Fault:
    """It takes nothing, and answers nothing."""

    async def answer(request: web.Request, serve: Serve) -> web.StreamResponse:
        destination.stalled.set()
        await asyncio.Event().wait()
        raise AssertionError

    return answer


async def forgets_to_answer(request: web.Request, serve: Serve) -> web.StreamResponse:
    """It does what it is asked, and the connection breaks before it can say so."""
    await serve(request)
    return _broken(request)


def _broken(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[Destination]:
    destination = Destination(serve)
    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", destination.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    destination.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield destination
    finally:
        await runner.cleanup()


# ---------------------------------------------------------------- what is served


async def hangs(_request: web.Request) -> web.StreamResponse:
    """Takes what comes and never answers."""
    await asyncio.Event().wait()
    raise AssertionError


@dataclass
class FileTaker:
    """Takes files by PUT or as forms, from whoever knows the token; the same `Idempotency-Key` is the same file."""

    token: str
    files: dict[str, tuple[str, int, str]] = field(default_factory=dict)
    """By `Idempotency-Key`: file name, size, SHA-256."""
    repeated: int = 0

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({"error": "who are you?"}, status=401)
        key = request.headers.get("Idempotency-Key")
        if key is None or request.content_length is None:
            return web.json_response({"error": "Idempotency-Key and Content-Length are required"}, status=400)
        name, size, digest = await (self._form(request) if request.method == "POST" else self._body(request))
        if key in self.files:
            self.repeated += 1
            assert self.files[key] == (name, size, digest)
        self.files[key] = (name, size, digest)
        return web.json_response({"id": f"file-{key}"}, status=201)

    async def _body(self, request: web.Request) -> tuple[str, int, str]:
        digest, size = hashlib.sha256(), 0
        async for piece in request.content.iter_chunked(2**16):
            digest.update(piece)
            size += len(piece)
        assert size == request.content_length
        return request.path.rpartition("/")[2], size, digest.hexdigest()

    async def _form(self, request: web.Request) -> tuple[str, int, str]:
        form = await request.multipart()
        part = await form.next()
        assert isinstance(part, aiohttp.BodyPartReader)
        assert part.name == "file"
        digest, size = hashlib.sha256(), 0
        while piece := await part.read_chunk(2**16):
            digest.update(piece)
            size += len(piece)
        assert await form.next() is None
        return part.filename or "", size, digest.hexdigest()


@dataclass
class HookTaker:
    """Takes signed messages; the same `webhook-id` is the same message."""

    secret: str
    messages: dict[str, Any] = field(default_factory=dict)
    repeated: int = 0

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        try:
            message = Webhook(self.secret).verify(body, {k.lower(): v for k, v in request.headers.items()})
        except WebhookVerificationError:
            return web.Response(status=401)
        identity = request.headers["webhook-id"]
        self.repeated += identity in self.messages
        self.messages[identity] = message
        return web.Response(status=204)


class Passage:
    """Leads to another HTTP server as it is; the host that a client asked for stays, for signatures cover it."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = f"{parts.scheme}://{parts.hostname}:{parts.port}"

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in ("connection", "expect")}
        url = URL(self._target + request.raw_path, encoded=True)
        data = request.content.iter_chunked(2**16) if request.content_length else None
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(request.method, url, headers=headers, data=data, allow_redirects=False) as answer,
        ):
            kept = {n: v for n, v in answer.headers.items() if n.lower() not in ("transfer-encoding", "connection", "date")}
            if request.method == "HEAD":
                response = web.StreamResponse(status=answer.status, headers=kept)
                await response.prepare(request)
                return response
            kept.pop("Content-Length", None)
            return web.Response(status=answer.status, headers=kept, body=await answer.read())

"""Ways in which the bytes of an object come to the client: from the store through this process, or past it."""

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Final, Protocol, cast

import structlog
from aiohttp import web

from libs.object_store.capability import KeepsFiles
from libs.object_store.port import ObjectNotFoundError, ObjectStore
from libs.object_store.socket_file import file_socket, on_plain_socket
from services.gateway.files.object_cache import ServedObject
from services.gateway.files.published import Published
from services.gateway.files.span import Span

IDLE_SECONDS: Final = 60.0
"""After so long without taking a byte a client counts as gone; it may ask for the rest with a `Range`."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Body:
    """What is to be sent: an object that is not empty, or the part `span` of it."""

    file: Published
    found: ServedObject
    span: Span | None
    headers: Mapping[str, str]

    @property
    def start(self) -> int:
        return self.span.start if self.span else 0

    @property
    def length(self) -> int:
        return self.span.length if self.span else self.found.size_bytes

    def response(self) -> web.StreamResponse:
        """Its head: 200, or 206 with the range."""
        response = web.StreamResponse(status=206 if self.span else 200, headers=self.headers)
        if self.span:
            response.headers["Content-Range"] = self.span.content_range
        response.content_length = self.length
        return response


class Transfer(Protocol):
    async def send(self, request: web.Request, body: Body) -> web.StreamResponse:
        """Raises ObjectNotFoundError or ObjectChangedError where the object is not that any more and nothing was sent yet."""


class Streamed:
    """Chunk by chunk, out of any store."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def send(self, request: web.Request, body: Body) -> web.StreamResponse:
        found = body.found
        reading = self._store.read(found.key, start=body.start, length=body.length, match_etag=found.validators.etag)
        response = body.response()
        async with aclosing(cast(AsyncGenerator[bytes, None], reading)) as chunks:
            chunk = await anext(chunks, b"")
            await response.prepare(request)
            missing = body.length
            with breaking_off(request, found.key):
                while chunk:
                    await response.write(chunk)
                    missing -= len(chunk)
                    chunk = await anext(chunks, b"")
                if missing:
                    raise ObjectNotFoundError(found.key)
        return response


class FromFile:
    """`sendfile` out of a store that keeps files; with TLS in this process as from any store."""

    def __init__(self, store: ObjectStore, files: KeepsFiles, *, idle_seconds: float = IDLE_SECONDS) -> None:
        self._streamed = Streamed(store)
        self._files = files
        self._idle_seconds = idle_seconds

    async def send(self, request: web.Request, body: Body) -> web.StreamResponse:
        if not on_plain_socket(request):
            return await self._streamed.send(request, body)
        with await self._files.open_file(body.found.key, match_etag=body.found.validators.etag) as file:
            response = body.response()
            async with file_socket(request, response) as to:
                with breaking_off(request, body.found.key):
                    await to.send(file.fileno(), body.start, body.length, self._files.run_reader, self._idle_seconds)
            return response


@contextmanager
def breaking_off(request: web.Request, key: str) -> Iterator[None]:
    """The head is sent already: a broken connection is the only way left to say that this is not all of it."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, ConnectionError):
            log.error("file.broken_off", key=key, error=type(error).__name__)
        if request.transport is not None:
            request.transport.abort()
        if isinstance(error, ConnectionError):
            raise

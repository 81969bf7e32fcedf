"""The disk store's upload URLs: `PUT /storage/{key}` as S3 has it, for curl, SDKs and browsers.

With `partNumber` and `uploadId` it is a part of a multipart upload. A request is judged before its body is asked for
(`Expect: 100-continue`). The object or the part appears when exactly the announced number of bytes came, with the digests that
the request states (`digest`); whatever else happens leaves nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple
from uuid import uuid4
from xml.sax.saxutils import escape

import structlog
from aiohttp import HttpVersion11, hdrs, web

from libs.object_store.digest import BodyDigests, DigestError, stated_digests
from libs.object_store.disk import BUCKET, DiskStore
from libs.object_store.incoming import Incoming
from libs.object_store.port import MultipartNotFoundError, ObjectInfo, Part
from libs.object_store.presign import PresignedRequest, PresignError
from libs.object_store.socket_body import BodyStalledError, SocketBody, can_take_over

log = structlog.get_logger()

MAX_BYTES = 5 * 1024**3
"""S3's limit for one PUT."""
SMALL_BYTES = 256 * 1024
"""Up to here a body is read the ordinary way, which costs less than taking over the socket."""
IDLE_SECONDS = 60.0
_AWS_CHUNKED = (
    "A body in aws-chunked framing, or with a checksum behind it, is not supported. "
    "Send the bytes as they are, and their checksum in an x-amz-checksum-* header."
)
_DEFAULT_TYPE = "binary/octet-stream"
_MakeResponse = Callable[..., web.Response]
_CORS = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "ETag"}


class StorageError(Exception):
    """An answer in S3's form. Source: "Error responses", Amazon S3 API reference."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class _Target(NamedTuple):
    create: Callable[[], Incoming] | None
    commit: Callable[[Incoming], Awaitable[ObjectInfo | Part]]
    digests: BodyDigests | None
    """What has others is not committed."""


def storage_routes(
    store: DiskStore,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    max_bytes: int = MAX_BYTES,
    idle_seconds: float = IDLE_SECONDS,
) -> list[web.RouteDef]:
    """For `application.add_routes`, at the root of what `store` calls its public base URL."""
    face = _Face(store, clock, max_bytes, idle_seconds)
    path = f"/{BUCKET}/{{key:.+}}"
    return [
        web.put(path, face.put, expect_handler=_leave_continue_to_the_handler),
        web.options(path, face.preflight),
        web.route("*", path, face.refuse_method),
    ]


class _Face:
    def __init__(self, store: DiskStore, clock: Callable[[], datetime], max_bytes: int, idle_seconds: float) -> None:
        self._store = store
        self._clock = clock
        self._max_bytes = max_bytes
        self._idle_seconds = idle_seconds

    async def put(self, request: web.Request) -> web.StreamResponse:
        answer: _MakeResponse = web.Response
        try:
            part = self._judge(request)
            digests = stated_digests(request.headers)
            target = await self._target(request, part, digests)
            await _say_continue(request)
            if (request.content_length or 0) > SMALL_BYTES and can_take_over(request):
                answer = partial(_LastResponse, request)
                stored = await self._from_socket(request, target)
            else:
                stored = await self._from_reader(request, target)
        except (PresignError, DigestError, StorageError) as error:
            return _refusal(answer, request, error.status, error.code, str(error))
        except MultipartNotFoundError:
            return _refusal(
                answer, request, 404, "NoSuchUpload", "The multipart upload was completed or aborted, or never was."
            )
        except (BodyStalledError, TimeoutError):
            return _refusal(answer, request, 400, "RequestTimeout", "Nothing came within the timeout period.")
        except ConnectionError:
            log.info("object_store.upload_cut_off", key=request.match_info["key"])
            return _refusal(answer, request, 400, "IncompleteBody", "The client went away.")  # which nobody hears
        except OSError as error:
            log.error("object_store.write_failed", error=error.strerror)
            return _refusal(answer, request, 500, "InternalError", "The object could not be stored.")
        if isinstance(stored, ObjectInfo):
            self._store.announce(stored)
        return answer(status=200, headers={**_CORS, "ETag": f'"{stored.etag}"'})

    async def preflight(self, request: web.Request) -> web.StreamResponse:
        asked = request.headers.get(hdrs.ACCESS_CONTROL_REQUEST_HEADERS, "")
        allowed = {
            "Access-Control-Allow-Methods": "PUT",
            "Access-Control-Allow-Headers": asked,
            "Access-Control-Max-Age": "3600",
        }
        return web.Response(status=200, headers={**_CORS, **allowed, "Vary": "Access-Control-Request-Headers"})

    async def refuse_method(self, request: web.Request) -> web.StreamResponse:
        response = _refusal(web.Response, request, 405, "MethodNotAllowed", "Only PUT is allowed here.")
        response.headers[hdrs.ALLOW] = "OPTIONS, PUT"
        return response

    def _judge(self, request: web.Request) -> Mapping[str, str]:
        """Everything that can be said before the body, without looking at the disk. Returns which part it is, if any."""
        if _is_aws_chunked(request):
            raise StorageError(501, "NotImplemented", _AWS_CHUNKED)
        pairs = [(name, value) for name, value in request.headers.items()]
        key, query = request.match_info["key"], request.rel_url.raw_query_string
        part = self._store.presigner.verify(PresignedRequest(request.method, key, query, pairs), self._clock())
        if request.headers.get(hdrs.CONTENT_ENCODING, "identity") != "identity":
            # aiohttp would decode it; what is stored must be what was sent.
            raise StorageError(501, "NotImplemented", "A Content-Encoding is not supported.")
        if request.content_length is None and not request.body_exists:
            raise StorageError(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
        if (request.content_length or 0) > self._max_bytes:
            raise StorageError(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed object size.")
        return part

    async def _target(self, request: web.Request, part: Mapping[str, str], digests: BodyDigests | None) -> _Target:
        """Where the body goes, and what makes it an object or a part. Raises MultipartNotFoundError."""
        store, multipart, key = self._store, self._store.multipart, request.match_info["key"]
        if not part:
            content_type = request.headers.get(hdrs.CONTENT_TYPE, _DEFAULT_TYPE)
            return _Target(None, lambda body: store.commit(body, key, content_type, _metadata(request)), digests)
        multipart_id, number = part["uploadId"], int(part["partNumber"])
        await store.run(multipart.find, key, multipart_id)
        return _Target(
            lambda: multipart.create(key, multipart_id, number, request.content_length),
            lambda body: store.run(multipart.commit, body, key, multipart_id, number),
            digests,
        )

    async def _from_socket(self, request: web.Request, target: _Target) -> ObjectInfo | Part:
        body = SocketBody(request)
        try:
            return await self._receive(target, lambda incoming: body.move_to(incoming, self._store.run, self._idle_seconds))
        finally:
            body.close()

    async def _from_reader(self, request: web.Request, target: _Target) -> ObjectInfo | Part:
        return await self._receive(target, lambda incoming: self._store.append(incoming, self._chunks(request)))

    async def _receive(self, target: _Target, fill: Callable[[Incoming], Awaitable[None]]) -> ObjectInfo | Part:
        async def fill_and_check(incoming: Incoming) -> None:
            incoming.digests = target.digests
            await fill(incoming)
            if target.digests is not None:
                target.digests.check(incoming.crc32c)

        return await self._store.receive(fill_and_check, target.commit, target.create)

    async def _chunks(self, request: web.Request) -> AsyncIterator[bytes]:
        """The body as aiohttp reads it, which raises when it is cut off; not longer than allowed."""
        size_bytes = 0
        while True:
            async with asyncio.timeout(self._idle_seconds):
                chunk = await request.content.readany()
            if not chunk:
                break
            size_bytes += len(chunk)
            if size_bytes > self._max_bytes:
                raise StorageError(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed object size.")
            yield chunk
        if request.content_length not in (None, size_bytes):
            raise StorageError(400, "IncompleteBody", "You did not provide the number of bytes specified by Content-Length.")


class _LastResponse(web.Response):
    """Ends the connection: aiohttp does not know how much of its socket was read behind its back."""

    def __init__(self, request: web.Request, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._of = request
        self.force_close()

    async def write_eof(self, data: bytes = b"") -> None:
        try:
            await super().write_eof(data)
        finally:
            self._of.protocol.force_close()


def _is_aws_chunked(request: web.Request) -> bool:
    """As SDKs send what they sign or check in pieces ("Signature calculations for the Authorization header", S3 API)."""
    headers = request.headers
    streamed = headers.get("x-amz-content-sha256", "").startswith("STREAMING-")
    return streamed or "x-amz-trailer" in headers or "aws-chunked" in headers.get(hdrs.CONTENT_ENCODING, "").lower()


def _metadata(request: web.Request) -> dict[str, str]:
    prefix = "x-amz-meta-"
    return {name.lower()[len(prefix) :]: value for name, value in request.headers.items() if name.lower().startswith(prefix)}


async def _leave_continue_to_the_handler(request: web.Request) -> None:
    """A client that is refused should not have sent its body."""


async def _say_continue(request: web.Request) -> None:
    if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue" and request.version == HttpVersion11:
        writer = request.writer
        await writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        writer.output_size = 0


def _refusal(make: _MakeResponse, request: web.Request, status: int, code: str, message: str) -> web.Response:
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{escape(message)}</Message><Resource>{escape(request.rel_url.raw_path)}</Resource>"
        f"<RequestId>{uuid4().hex}</RequestId></Error>"
    )
    return make(status=status, text=body, content_type="application/xml", headers=_CORS)

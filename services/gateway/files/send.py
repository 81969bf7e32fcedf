"""One published object as the answer to a GET or HEAD, in constant memory."""

from collections.abc import Mapping
from datetime import UTC, datetime

from aiohttp import web

from libs.object_store.port import ObjectChangedError, ObjectNotFoundError
from libs.web.route import NotFoundError
from services.gateway.files.caching import CachePolicy
from services.gateway.files.condition import Verdict
from services.gateway.files.header import CORS, HARMLESS, disposition
from services.gateway.files.object_cache import ObjectCache, ServedObject
from services.gateway.files.problem import public_problem
from services.gateway.files.published import Published
from services.gateway.files.span import Span, UnsatisfiableRangeError, parse_range
from services.gateway.files.transfer import Body, Transfer

_LOOKS = 2
"""What was remembered of an object may be over; what was looked up just now is not."""


class FileSender:
    def __init__(self, objects: ObjectCache, transfer: Transfer, caches: CachePolicy) -> None:
        self._objects = objects
        self._transfer = transfer
        self._caches = caches

    async def send(self, request: web.Request, file: Published) -> web.StreamResponse:
        """Raises libs.web.route.NotFoundError when the store does not have it (any more)."""
        for _ in range(_LOOKS):
            found = await (self._objects.find_now(file.key) if file.grows else self._objects.find(file.key))
            if found is None:
                break
            try:
                return await self._answer(request, file, found)
            except (ObjectNotFoundError, ObjectChangedError):  # raised only while nothing was sent
                self._objects.forget(file.key)
        raise NotFoundError("There is no such file.")

    async def _answer(self, request: web.Request, file: Published, found: ServedObject) -> web.StreamResponse:
        headers = self._headers(file, found)
        match found.validators.judge(request.headers):
            case Verdict.NOT_MODIFIED:
                return web.Response(status=304, headers={k: v for k, v in headers.items() if k != "Content-Type"})
            case Verdict.PRECONDITION_FAILED:
                return public_problem(412, "precondition_failed", "The file is not the one that the request names.")
        try:
            span = _span(request, found)
        except UnsatisfiableRangeError:
            answer = public_problem(416, "range_not_satisfiable", f"The file has {found.size_bytes} bytes.")
            answer.headers["Content-Range"] = f"bytes */{found.size_bytes}"
            return answer
        if request.method == "HEAD" or found.size_bytes == 0:
            return await _head(request, found, headers)
        if found.content is not None:
            return _from_memory(found.content, span, headers)
        return await self._transfer.send(request, Body(file, found, span, headers))

    def _headers(self, file: Published, found: ServedObject) -> dict[str, str]:
        return {
            "Content-Type": file.content_type,
            "Content-Disposition": disposition(file.content_type, file.file_name, inline=file.inline),
            "ETag": f'"{found.validators.etag}"',
            "Last-Modified": found.validators.last_modified,
            "Accept-Ranges": "bytes",
            "Cache-Control": self._caches.cache_control(file.caching, file.expires_at, datetime.now(UTC)),
            **({"Vary": file.vary} if file.vary else {}),
            **HARMLESS,
            **CORS,
        }


def _span(request: web.Request, found: ServedObject) -> Span | None:
    """The range to send; None: all of it. Raises UnsatisfiableRangeError."""
    asked = request.headers.get("Range")
    if asked is None or request.method != "GET" or not found.validators.range_counts(request.headers.get("If-Range")):
        return None
    return parse_range(asked, found.size_bytes)


async def _head(request: web.Request, found: ServedObject, headers: Mapping[str, str]) -> web.StreamResponse:
    response = web.StreamResponse(headers=headers)
    response.content_length = found.size_bytes
    await response.prepare(request)
    return response


def _from_memory(content: bytes, span: Span | None, headers: Mapping[str, str]) -> web.Response:
    if span is None:
        return web.Response(body=content, headers=headers)
    body = content[span.start : span.start + span.length]
    return web.Response(status=206, body=body, headers={**headers, "Content-Range": span.content_range})

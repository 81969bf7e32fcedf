"""One published object as the answer to a GET or HEAD, in constant memory."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

import structlog
from aiohttp import web

from libs.object_store.port import ObjectChangedError, ObjectInfo, ObjectNotFoundError, ObjectStore
from libs.web.route import NotFoundError
from services.gateway.files.condition import Validators, Verdict
from services.gateway.files.header import CORS, HARMLESS, disposition
from services.gateway.files.problem import public_problem
from services.gateway.files.published import Published
from services.gateway.files.span import Span, UnsatisfiableRangeError, parse_range

log = structlog.get_logger()


async def send(request: web.Request, store: ObjectStore, file: Published) -> web.StreamResponse:
    """Raises libs.web.route.NotFoundError when the store does not have it (any more)."""
    found = await store.stat(file.key)
    if found is None:
        raise NotFoundError("There is no such file.")
    return await send_found(request, store, file, found)


async def send_found(request: web.Request, store: ObjectStore, file: Published, found: ObjectInfo) -> web.StreamResponse:
    """`send` of an object that was looked up already. Raises libs.web.route.NotFoundError where it has gone since."""
    validators = Validators(found.etag, found.modified_at)
    headers = _headers(file, validators)
    match validators.judge(request.headers):
        case Verdict.NOT_MODIFIED:
            return web.Response(status=304, headers={k: v for k, v in headers.items() if k != "Content-Type"})
        case Verdict.PRECONDITION_FAILED:
            return public_problem(412, "precondition_failed", "The file is not the one that the request names.")
    honoured = request.headers.get("Range") if validators.range_counts(request.headers.get("If-Range")) else None
    try:
        span = parse_range(honoured, found.size_bytes) if request.method == "GET" else None
    except UnsatisfiableRangeError:
        answer = public_problem(416, "range_not_satisfiable", f"The file has {found.size_bytes} bytes.")
        answer.headers["Content-Range"] = f"bytes */{found.size_bytes}"
        return answer
    return await _stream(request, store, found, span, headers)


def _headers(file: Published, validators: Validators) -> dict[str, str]:
    return {
        "Content-Type": file.content_type,
        "Content-Disposition": disposition(file.content_type, file.file_name, inline=file.inline),
        "ETag": f'"{validators.etag}"',
        "Last-Modified": validators.last_modified,
        "Accept-Ranges": "bytes",
        "Cache-Control": "no-cache",  # a copy may be kept, but is asked about: the file may be deleted at any time
        **({"Vary": file.vary} if file.vary else {}),
        **HARMLESS,
        **CORS,
    }


async def _stream(
    request: web.Request, store: ObjectStore, found: ObjectInfo, span: Span | None, headers: dict[str, str]
) -> web.StreamResponse:
    response = web.StreamResponse(status=206 if span else 200, headers=headers)
    if span:
        response.headers["Content-Range"] = span.content_range
    response.content_length = remaining = span.length if span else found.size_bytes
    if request.method == "HEAD" or remaining == 0:
        await response.prepare(request)
        return response
    start = span.start if span else 0
    chunks = cast(AsyncGenerator[bytes, None], store.read(found.key, start=start, length=remaining, match_etag=found.etag))
    async with aclosing(chunks):
        chunk = await _first(chunks)
        await response.prepare(request)
        try:
            while chunk:
                await response.write(chunk)
                remaining -= len(chunk)
                chunk = await anext(chunks, b"")
            if remaining:
                raise ObjectNotFoundError(found.key)
        except ConnectionError:
            raise
        except Exception as error:
            # The head is sent already: a broken connection is the only way left to say that this is not all of it.
            log.error("file.broken_off", key=found.key, error=type(error).__name__, missing_bytes=remaining)
            if request.transport is not None:
                request.transport.abort()
    return response


async def _first(chunks: AsyncGenerator[bytes, None]) -> bytes:
    try:
        return await anext(chunks, b"")
    except (ObjectNotFoundError, ObjectChangedError):
        raise NotFoundError("There is no such file.") from None

"""What a client sent, read with limits and parsed by a model.

Whatever is wrong with the bytes themselves is an `HttpError`; what is wrong with the values is the model's
`pydantic.ValidationError`. The API's `render_error` puts both into its own words.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, Final, TypeVar

import orjson
from aiohttp import web
from pydantic import BaseModel, ValidationError

from libs.web.route import BodyTooLargeError, MalformedBodyError, RequestTimeoutError, UnsupportedMediaTypeError

ENDS_CONNECTION = web.RequestKey("ends_connection", bool)
"""Set by whoever read the body behind aiohttp's back: no other request can follow on this connection."""

Model = TypeVar("Model", bound=BaseModel)

MAX_DEPTH: Final = 32
BODY_SECONDS: Final = 30
"""How long a JSON body may take to arrive."""


async def read_json(request: web.Request, model: type[Model], *, max_bytes: int = 65536) -> Model:
    """The JSON body as `model`.

    Raises:
        UnsupportedMediaTypeError: not `application/json`, another charset than UTF-8, or compressed.
        BodyTooLargeError: more than `max_bytes`; nothing beyond them is read.
        RequestTimeoutError: it did not arrive within 30 s.
        MalformedBodyError: not a JSON object in UTF-8, or one with NaN, NUL characters, lone surrogates or too many levels.
        pydantic.ValidationError: the object does not fit the model.
    """
    _check_content_type(request)
    body = await read_body(request, max_bytes)
    if not isinstance(json_value(body), dict):
        raise MalformedBodyError("The body must be a JSON object.")
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        if _is_malformed(error):
            raise MalformedBodyError("The body is not valid JSON.") from None
        raise


async def read_body(request: web.Request, max_bytes: int) -> bytes:
    """All of the body, at most `max_bytes`. Raises BodyTooLargeError, RequestTimeoutError or MalformedBodyError (framing)."""
    if (request.content_length or 0) > max_bytes:
        raise BodyTooLargeError(f"The body may have at most {max_bytes} bytes.")
    content = request.content
    try:
        if content.is_eof():
            body = content.read_nowait()
        else:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _read_up_to(request, max_bytes + 1)
    except TimeoutError:
        raise RequestTimeoutError("The body did not arrive in time.") from None
    except web.RequestPayloadError:
        raise MalformedBodyError("The body is not framed as its headers say.") from None
    if len(body) > max_bytes:
        raise BodyTooLargeError(f"The body may have at most {max_bytes} bytes.")
    return body


def parse_query(request: web.Request, model: type[Model]) -> Model:
    """The query parameters as `model`; of a repeated one the first. Raises pydantic.ValidationError."""
    query = request.query
    return model.model_validate({name: query[name] for name in query})


def json_value(body: bytes) -> Any:
    """Any JSON value.

    Raises MalformedBodyError where it is none, or has NaN, NUL characters, lone surrogates or too many levels.
    """
    # orjson is strict where pydantic's own parser is not: NaN and Infinity. Everything else that costs time is looked
    # at only where a search in the raw bytes says that it could be there.
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise MalformedBodyError("The body is not valid JSON.") from None
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise MalformedBodyError(f"The body is nested more than {MAX_DEPTH} levels deep.")
    if b"\\u0000" in body and _has_nul(value):
        raise MalformedBodyError("The body contains a NUL character.")
    return value


async def _read_up_to(request: web.Request, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while size < limit and (chunk := await request.content.readany()):
        chunks.append(chunk)
        size += len(chunk)
    return b"".join(chunks)


def _check_content_type(request: web.Request) -> None:
    declared = request.headers.get("Content-Type", "")
    if declared != "application/json":
        kind, _, parameters = declared.partition(";")
        charset = parameters.replace(" ", "").replace('"', "").lower()
        if kind.strip().lower() != "application/json" or charset not in ("", "charset=utf-8"):
            raise UnsupportedMediaTypeError("Content-Type must be application/json.")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedMediaTypeError("A compressed body is not accepted.")


def _children(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _depth(value: object) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [child for parent in level for child in _children(parent) if isinstance(child, dict | list)]
    return depth


def _has_nul(value: object) -> bool:
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, str) and "\0" in item:
            return True
        if isinstance(item, dict) and any("\0" in key for key in item):
            return True
        todo.extend(_children(item))
    return False


def _is_malformed(error: ValidationError) -> bool:
    """True where pydantic's parser refused the JSON itself (a number of thousands of digits)."""
    return any(detail["type"] == "json_invalid" for detail in error.errors(include_url=False, include_context=False))

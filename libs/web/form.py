"""HTML forms: query, urlencoded and multipart fields as one list; the files of a form go straight into an object store.

`read_form` is for small forms without files, `receive_form` for those with. Whatever is wrong is an `HttpError`, raised
after the rest of the body was read and thrown away: a client that is cut off while it still sends (Node's) never hears why.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import hdrs, web

from libs.object_store.batch import TakesBatches, Target
from libs.object_store.port import ObjectInfo, ObjectStore
from libs.object_store.socket_body import can_take_over
from libs.web.form_error import MalformedFormError, TooManyFieldsError
from libs.web.form_head import parse_parameters
from libs.web.form_parser import Field, FilePart, FormLimits, FormParser, add_field
from libs.web.form_socket import form_from_socket
from libs.web.form_stream import FormStream
from libs.web.request import read_body
from libs.web.route import BodyTooLargeError, RequestTimeoutError, UnsupportedMediaTypeError

__all__ = ["Field", "FilePart", "Form", "FormLimits", "Place", "ReceivedFile", "query_fields", "read_form", "receive_form"]

MULTIPART = "multipart/form-data"
URLENCODED = "application/x-www-form-urlencoded"
SMALL_BYTES = 256 * 1024
"""Up to here a body is read the ordinary way, which costs less than taking over the socket."""
MAX_READ_BYTES = 1024 * 1024
"""Of a body that is read as a whole, whatever `FormLimits.body_bytes` says of one that is streamed."""
DEFAULT_FILE_TYPE = "application/octet-stream"
PLACE_SECONDS = 10.0
"""How long `Place` may take: a thread of the store waits for it."""
Place = Callable[[FilePart, Sequence[Field]], Coroutine[Any, Any, str]]
"""The key of a file that begins, by what is known of it and the fields that came before it; or the refusal of the form."""
_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]{1,127}/[\w!#$&^.+-]{1,127}[ -~]{0,150}", re.ASCII)  # RFC 6838 section 4.2


@dataclass(frozen=True)
class ReceivedFile:
    part: FilePart
    stored: ObjectInfo
    """Where it lies; `size_bytes` is what came."""


@dataclass(frozen=True)
class Form:
    fields: Sequence[Field]
    """Those of the query first, then as they came; a repeated name stands there repeatedly."""
    files: Sequence[ReceivedFile] = ()

    @property
    def keys(self) -> list[str]:
        """Of the stored files: for `store.delete`, when the caller refuses the form after all."""
        return [file.stored.key for file in self.files]


async def read_form(request: web.Request, limits: FormLimits) -> list[Field]:
    """All fields, (name, value), in the order of `Form.fields`. No body at all is fine: then only the query counts.

    Raises:
        UnsupportedMediaTypeError: a body that is no form, in another charset than UTF-8, or compressed.
        BodyTooLargeError, RequestTimeoutError: as `read_body`, for more than `MAX_READ_BYTES` too.
        The errors of `form_error`; a file is a MalformedFormError.
    """
    async with _draining(request, limits):
        fields = query_fields(request, limits)
        kind, parameters = _content_type(request)
        body = await read_body(request, min(limits.body_bytes, MAX_READ_BYTES))
        if kind == MULTIPART:
            return _multipart_fields(body, FormParser(parameters.get("boundary", ""), limits, fields))
        if body and kind != URLENCODED:
            raise UnsupportedMediaTypeError("The body must be a form.")
        return _with(fields, _urlencoded_fields(body, limits), limits)


async def receive_form(request: web.Request, store: ObjectStore, place: Place, limits: FormLimits) -> Form:
    """Like `read_form`; in a multipart body there may be files, each of which is written under the key that `place` gives it.

    Constant memory for any size. When anything is wrong, nothing is left in the store (but a killed process may leave files
    there: use staging keys). Fields may follow the files, so that what they say can be judged only afterwards.

    `place` is awaited once for each file, before the first of its bytes; what it raises refuses the form. After `PLACE_SECONDS`
    that is TimeoutError.

    Raises:
        TooManyFilesError, FileTooLargeError, and all that `read_form` does.
        StoreUnavailableError: from the store.
    """
    kind, parameters = _content_type(request)
    if kind != MULTIPART:
        return Form(await read_form(request, limits))
    async with _draining(request, limits):
        fields = query_fields(request, limits)
        if (request.content_length or 0) > limits.body_bytes:
            raise BodyTooLargeError(f"The body may have at most {limits.body_bytes} bytes.")
        parser = FormParser(parameters.get("boundary", ""), limits, fields)
        try:
            async with asyncio.timeout(limits.total_seconds) as total:
                files = await _receive_files(request, store, place, parser, limits)
        except TimeoutError:
            if total.expired():
                raise RequestTimeoutError("The body took too long to arrive.") from None
            raise
        return Form(parser.fields, files)


async def _receive_files(
    request: web.Request, store: ObjectStore, place: Place, parser: FormParser, limits: FormLimits
) -> list[ReceivedFile]:
    if not isinstance(store, TakesBatches) or not can_take_over(request) or (request.content_length or 0) <= SMALL_BYTES:
        return await _through_reader(request, store, place, parser, limits)
    loop = asyncio.get_running_loop()

    def target(part: FilePart) -> Target:
        placing = asyncio.run_coroutine_threadsafe(place(part, parser.fields), loop)
        try:
            key = placing.result(PLACE_SECONDS)  # we are in a thread of the store
        except ConnectionError as error:  # of the database, say; it is not the client that went away
            raise OSError("nobody could say where the file goes") from error
        finally:
            placing.cancel()
        return Target(key, _stored_type(part))

    found = await form_from_socket(request, store, target, parser, limits)
    return [ReceivedFile(part, stored) for part, stored in found]


async def _through_reader(
    request: web.Request, store: ObjectStore, place: Place, parser: FormParser, limits: FormLimits
) -> list[ReceivedFile]:
    stream = FormStream(request, parser, limits)
    files: list[ReceivedFile] = []
    keys: list[str] = []
    try:
        while (part := await stream.next_file()) is not None:
            async with asyncio.timeout(PLACE_SECONDS):
                keys.append(await place(part, parser.fields))
            stored = await store.write(keys[-1], stream.content(), content_type=_stored_type(part))
            files.append(ReceivedFile(part, stored))
    except BaseException:
        stream.close()
        with suppress(Exception):
            await asyncio.shield(store.delete(keys))
        raise
    return files


def _stored_type(part: FilePart) -> str:
    """Not every store takes every text for a Content-Type."""
    declared = part.content_type or ""
    return declared if _MEDIA_TYPE.fullmatch(declared) else DEFAULT_FILE_TYPE


def query_fields(request: web.Request, limits: FormLimits) -> list[Field]:
    """Those of the query alone. Raises the errors of `form_error`."""
    # As it was sent: aiohttp's own `query` lets invalid UTF-8 pass.
    query = request.raw_path.partition("?")[2].partition("#")[0]
    return _with([], _urlencoded_fields(query.encode("utf-8", "surrogateescape"), limits), limits)


def _urlencoded_fields(body: bytes, limits: FormLimits) -> list[Field]:
    if body.count(b"&") > 2 * limits.fields:  # before they are taken apart, which takes long where they are many
        raise TooManyFieldsError(f"The form may have at most {limits.fields} fields.")
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise MalformedFormError("The form is not UTF-8.") from None


def _multipart_fields(body: bytes, parser: FormParser) -> list[Field]:
    for _event in parser.feed(body, len(body)):
        raise MalformedFormError("The form holds a file where none is taken.")
    parser.finish()
    return parser.fields


def _with(fields: list[Field], more: Sequence[Field], limits: FormLimits) -> list[Field]:
    for field in more:
        add_field(fields, field, limits)
    return fields


def _content_type(request: web.Request) -> tuple[str, dict[str, str]]:
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        raise UnsupportedMediaTypeError("A compressed body is not accepted.")
    kind, parameters = parse_parameters(request.headers.get(hdrs.CONTENT_TYPE, ""))
    if kind == URLENCODED and parameters.get("charset", "utf-8").lower() != "utf-8":
        raise UnsupportedMediaTypeError("A form must be UTF-8.")
    return kind, parameters


@asynccontextmanager
async def _draining(request: web.Request, limits: FormLimits) -> AsyncIterator[None]:
    """After a refusal the rest of the body is read, up to a limit and for a while."""
    try:
        yield
    except RequestTimeoutError:
        raise
    except Exception:
        with suppress(TimeoutError, web.RequestPayloadError, ConnectionError):
            async with asyncio.timeout(limits.drain_seconds):
                left = limits.drain_bytes
                while left > 0 and (chunk := await request.content.readany()):
                    left -= len(chunk)
        raise

"""Errors in the words of the Uploadcare API, and their three renderings (decision 5.3, U-38).

The real status with a JSON body; the same body with HTTP 200 where the query says `jsonerrors=1`, for browsers' clients read
no other status; the bare sentence where the request asks for `text/plain`.

What no rule of the API names has a code by where it happened: `GroupViewsError`, `UploadViewsError`, or `BaseViewsError` for
the calls that only read.
"""

from math import ceil
from typing import Final

import orjson
from aiohttp import web

from libs.object_store.port import StoreUnavailableError
from libs.postgres.database import TRANSIENT_ERRORS
from libs.web.form_error import (
    FieldTooLargeError,
    FileTooLargeError,
    MalformedFormError,
    NulCharacterError,
    TooManyFieldsError,
    TooManyFilesError,
)
from libs.web.route import BodyTooLargeError, HttpError, MethodNotAllowedError, RequestTimeoutError
from libs.web.server import STATUS
from services.gateway.dialects.uploadcare.answer import CORS_HEADERS
from services.gateway.dialects.uploadcare.catalogue import CATALOGUE
from services.gateway.domain.error import IdTakenError

RETRY_AFTER_SECONDS: Final = 5
MAX_ECHO: Final = 200
"""Characters of a client's own words that an answer repeats."""

_BY_CAUSE: Final[tuple[tuple[tuple[type[Exception], ...], str], ...]] = (
    ((NulCharacterError,), "NullCharactersForbiddenError"),
    ((TooManyFieldsError,), "RequestFiledsNumberLimitExceededError"),
    ((TooManyFilesError,), "FilesNumberLimitExceededError"),
    ((FileTooLargeError,), "FileSizeLimitExceededError"),
    ((BodyTooLargeError, FieldTooLargeError), "RequestSizeLimitExceededError"),
    ((MalformedFormError, RequestTimeoutError), "PostRequestParserFailedError"),
    ((IdTakenError,), "UploadcareFileIdDuplicatedError"),
)


class UploadcareError(Exception):
    """One of `CATALOGUE`, with the words that fill its sentence."""

    retry_after_seconds: int | None = None

    def __init__(self, code: str, *words: str | int) -> None:
        self.code = code
        self.status, sentence = CATALOGUE[code]
        self.content = sentence % tuple(word[:MAX_ECHO] if isinstance(word, str) else word for word in words)
        super().__init__(f"{code}: {self.content}")


class ThrottledError(UploadcareError):
    """The project's token bucket is empty."""

    def __init__(self, seconds: float) -> None:
        super().__init__("RequestThrottledError")
        self.retry_after_seconds = max(1, ceil(seconds))


class UnavailableError(UploadcareError):
    """The database or the object store is away for now. No code is published for that; clients may come back."""

    retry_after_seconds = RETRY_AFTER_SECONDS

    def __init__(self) -> None:
        super().__init__("UploadAPIError")
        self.status = 503


def render_error(request: web.Request, error: Exception) -> web.Response:
    refusal = refusal_of(request, error)
    headers = dict(CORS_HEADERS)
    if refusal.retry_after_seconds is not None:
        headers["Retry-After"] = str(refusal.retry_after_seconds)
    if _wants_text(request):
        headers["X-Content-Type-Options"] = "nosniff"
        return web.Response(status=refusal.status, text=refusal.content, headers=headers)
    always_200 = request.query.get("jsonerrors") == "1"
    response = web.Response(
        status=200 if always_200 else refusal.status,
        body=orjson.dumps({"error": fields_of(refusal)}),
        content_type="application/json",
        headers=headers,
    )
    response[STATUS] = refusal.status
    return response


def fields_of(refusal: UploadcareError) -> dict[str, str | int]:
    return {"status_code": refusal.status, "content": refusal.content, "error_code": refusal.code}


def refusal_of(request: web.Request, error: Exception) -> UploadcareError:
    if isinstance(error, UploadcareError):
        return error
    if isinstance(error, MethodNotAllowedError):
        return UploadcareError("MethodNotAllowedError", request.method, request.path)
    if isinstance(error, (StoreUnavailableError, *TRANSIENT_ERRORS)):
        return UnavailableError()
    for causes, code in _BY_CAUSE:
        if isinstance(error, causes):
            return UploadcareError(code)
    return views_error(request) if isinstance(error, HttpError) else UploadcareError("UploadAPIError")


def views_error(request: web.Request) -> UploadcareError:
    """What cannot be processed for a reason that has no name here."""
    first = request.path.strip("/").partition("/")[0]
    if first == "group":
        return UploadcareError("GroupViewsError")
    if request.method == "POST" and first in ("base", "multipart", "from_url"):
        return UploadcareError("UploadViewsError")
    return UploadcareError("BaseViewsError")


def _wants_text(request: web.Request) -> bool:
    accepted = [part.partition(";")[0].strip().lower() for part in request.headers.get("Accept", "").split(",")]
    return "text/plain" in accepted and not {"application/json", "*/*"} & set(accepted)

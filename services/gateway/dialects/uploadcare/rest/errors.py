"""Errors of the REST API: `{"detail": "…"}` with the real status. What the Upload API knows too is said in the same words."""

from typing import Final

import orjson
from aiohttp import web
from pydantic import ValidationError

from libs.web.problem import RETRY_AFTER_SECONDS, UNAVAILABLE_ERRORS
from libs.web.route import HttpError, MethodNotAllowedError, NotFoundError
from services.gateway.dialects.uploadcare.errors import UploadcareError

CONTENT_TYPE: Final = "application/vnd.uploadcare-v0.7+json"


class NotAuthenticatedError(HttpError):
    status = 401
    code = "not_authenticated"


class MissingError(NotFoundError):
    """No such thing in this project."""

    def __init__(self) -> None:
        super().__init__("Not found.")


class NotAcceptableError(HttpError):
    status = 406
    code = "not_acceptable"


class HookTakenError(HttpError):
    """The project has a webhook for this event and address."""

    code = "hook_taken"

    def __init__(self) -> None:
        super().__init__("This project is already subscribed on this event.")


def render_error(request: web.Request, error: Exception) -> web.Response:
    match error:
        case UploadcareError():
            return _answer(error.status, error.content, headers=_retry_after(error.retry_after_seconds))
        case HttpError():
            return _refusal(request, error)
        case ValidationError():
            return _answer(400, _message(error))
    if isinstance(error, UNAVAILABLE_ERRORS):
        return _answer(503, "The service is busy or restarting. Try again.", headers=_retry_after(RETRY_AFTER_SECONDS))
    return _answer(500, "Internal server error.")


def _refusal(request: web.Request, error: HttpError) -> web.Response:
    match error:
        case HookTakenError():  # pyuploadcare looks for exactly this list
            return _answer(error.status, error.message, non_field_errors=[error.message])
        case MethodNotAllowedError():
            return _answer(error.status, f'Method "{request.method}" not allowed.')
        case NotAuthenticatedError():
            return _answer(error.status, error.message, headers={"WWW-Authenticate": "Uploadcare"})
    return _answer(error.status, error.message)


def _retry_after(seconds: int | None) -> dict[str, str]:
    return {} if seconds is None else {"Retry-After": str(seconds)}


def _answer(status: int, detail: str, *, headers: dict[str, str] | None = None, **members: object) -> web.Response:
    body = orjson.dumps({"detail": detail, **members})
    return web.Response(status=status, body=body, content_type=CONTENT_TYPE, headers=headers)


def _message(error: ValidationError) -> str:
    """Of the first value that is wrong."""
    detail = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = str(detail["loc"][0])[:100] if detail["loc"] else "body"
    return f"`{field}` is missing." if detail["type"] == "missing" else f"`{field}`: {detail['msg']}"

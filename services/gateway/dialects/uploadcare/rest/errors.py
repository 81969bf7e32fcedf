"""Errors of the REST API: `{"detail": "…"}` with the real status."""

from math import ceil
from typing import Final

import orjson
from aiohttp import web
from pydantic import ValidationError

from libs.web.problem import RETRY_AFTER_SECONDS, UNAVAILABLE_ERRORS
from libs.web.route import HttpError, MethodNotAllowedError, NotFoundError

CONTENT_TYPE: Final = "application/vnd.uploadcare-v0.7+json"


class NotAuthenticatedError(HttpError):
    status = 401
    code = "not_authenticated"


class ProjectRefusedError(HttpError):
    """The project's status does not allow any request."""

    status = 403
    code = "project_refused"


class MissingError(NotFoundError):
    """No such thing in this project."""

    def __init__(self) -> None:
        super().__init__("Not found.")


class NotAcceptableError(HttpError):
    status = 406
    code = "not_acceptable"


class ThrottledError(HttpError):
    status = 429
    code = "throttled"

    def __init__(self, wait_seconds: float) -> None:
        self.wait_seconds = ceil(wait_seconds)
        super().__init__(f"Request was throttled. Expected available in {self.wait_seconds} seconds.")


class HookTakenError(HttpError):
    """The project has a webhook for this event and address."""

    code = "hook_taken"

    def __init__(self) -> None:
        super().__init__("This project is already subscribed on this event.")


def render_error(request: web.Request, error: Exception) -> web.Response:
    match error:
        case HookTakenError():  # pyuploadcare looks for exactly this list
            return _answer(error.status, error.message, non_field_errors=[error.message])
        case MethodNotAllowedError():
            return _answer(error.status, f'Method "{request.method}" not allowed.')
        case HttpError():
            return _answer(error.status, error.message, headers=_headers(error))
        case ValidationError():
            return _answer(400, _message(error))
    if isinstance(error, UNAVAILABLE_ERRORS):
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
        return _answer(503, "The service is busy or restarting. Try again.", headers=headers)
    return _answer(500, "Internal server error.")


def _headers(error: HttpError) -> dict[str, str]:
    match error:
        case NotAuthenticatedError():
            return {"WWW-Authenticate": "Uploadcare"}
        case ThrottledError():
            return {"Retry-After": str(error.wait_seconds)}
    return {}


def _answer(status: int, detail: str, *, headers: dict[str, str] | None = None, **members: object) -> web.Response:
    body = orjson.dumps({"detail": detail, **members})
    return web.Response(status=status, body=body, content_type=CONTENT_TYPE, headers=headers)


def _message(error: ValidationError) -> str:
    """Of the first value that is wrong."""
    detail = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = str(detail["loc"][0])[:100] if detail["loc"] else "body"
    return f"`{field}` is missing." if detail["type"] == "missing" else f"`{field}`: {detail['msg']}"

"""Errors in the words of the eachlabs API (E-18 to E-21); other statuses than its three keep the shape, with honest codes."""

from typing import Any, Final

from aiohttp import web
from pydantic import ValidationError

from libs.observability.tracing import current_trace_id
from libs.postgres.database import TRANSIENT_ERRORS
from libs.web.route import HttpError
from services.gateway.dialects.eachlabs.schemas import ErrorBody
from services.gateway.domain.error import GatewayError, InvalidFieldError

CODE_BY_STATUS: Final = {
    400: "BAD_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    408: "REQUEST_TIMEOUT",
    409: "CONFLICT",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    500: "INTERNAL_ERROR",
    503: "SERVICE_UNAVAILABLE",
}

STATUS_BY_CODE: Final = {
    "unknown_key": 401,
    "foreign_owner": 401,
    "insufficient_role": 403,
    "invalid_field": 400,
    "upload_not_found": 404,
    "still_processing": 409,
}

RETRY_AFTER_SECONDS: Final = 5
MAX_ECHO: Final = 100
"""Characters of a client's own words that an answer repeats."""


def render_error(_request: web.Request, error: Exception) -> web.Response:
    match error:
        case HttpError():
            return _answer(error.status, error.message)
        case ValidationError():
            fields = _fields(error)
            return _answer(400, next(iter(fields.values())), fields)
        case InvalidFieldError():
            return _answer(400, error.message, {error.field: error.message})
        case GatewayError() if error.code in STATUS_BY_CODE:
            return _answer(STATUS_BY_CODE[error.code], error.message)
    if isinstance(error, TRANSIENT_ERRORS):
        response = _answer(503, "The service is busy or restarting. Try again.")
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response
    return _answer(500, "Unexpected server error")


def _answer(status: int, message: str, details: dict[str, Any] | None = None) -> web.Response:
    code = CODE_BY_STATUS.get(status, "BAD_REQUEST" if status < 500 else "INTERNAL_ERROR")
    body = ErrorBody(status=status, error=message, code=code, request_id=current_trace_id(), details=details or {})
    return web.json_response(text=body.model_dump_json(), status=status)


def _fields(error: ValidationError) -> dict[str, str]:
    """Field → what is wrong with it, in the order of the fields."""
    problems: dict[str, str] = {}
    for detail in error.errors(include_url=False, include_input=False, include_context=False):
        field = str(detail["loc"][0])[:MAX_ECHO] if detail["loc"] else "body"
        match detail["type"]:
            case "missing":
                message = f"{field} is required"
            case "extra_forbidden":
                message = f"{field} is not a known field"
            case _:
                message = f"{field}: {detail['msg']}"
        problems.setdefault(field, message)
    return problems

"""Errors of the Upload24 API: `{"error": {"code", "message", "details"}}` with stable codes (part 5.3)."""

from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web
from pydantic import ValidationError

from libs.web.problem import UNAVAILABLE_ERRORS
from libs.web.route import HttpError
from services.gateway.dialects.upload24.schemas import ErrorBody, ErrorView
from services.gateway.domain.error import AccountNotLinkedError, FileRejectedError, GatewayError, QuotaExceededError

STATUS: Final[dict[str, int]] = {
    "unknown_key": 401,
    "unknown_token": 401,
    "insufficient_role": 403,
    "insufficient_scope": 403,
    "storage_blocked": 403,
    "account_not_linked": 400,
    "quota_exceeded": 403,
    "upload_not_found": 404,
    "session_not_found": 404,
    "session_aborted": 409,
    "session_completed": 409,
    "session_expired": 410,
    "file_missing": 409,
    "file_rejected": 422,
    "not_multipart": 409,
    "file_required": 400,
    "file_empty": 400,
    "file_too_large": 413,
    "invalid_parts": 400,
    "invalid_cursor": 400,
    "invalid_request": 400,
    "scheduled_on_too_late": 400,
}
CODES: Final[dict[str, str]] = {
    "unknown_key": "unauthorized",
    "unknown_token": "unauthorized",
    "insufficient_role": "forbidden",
    "insufficient_scope": "forbidden",
}
"""Where the gateway's own word is not the API's."""

FIELD_CODES: Final[dict[tuple[str, str], str]] = {
    ("title", "missing"): "title_required",
    ("title", "string_too_short"): "title_required",
    ("title", "string_pattern_mismatch"): "title_required",
    ("title", "string_too_long"): "title_too_long",
    ("accounts", "missing"): "accounts_required",
    ("accounts", "too_short"): "accounts_required",
    ("accounts", "too_long"): "too_many_accounts",
    ("fileSize", "greater_than_equal"): "file_empty",
    ("fileSize", "less_than_equal"): "file_too_large",
    ("scheduledOn", "scheduled_on_invalid"): "scheduled_on_invalid",
    ("scheduledOn", "scheduled_on_too_late"): "scheduled_on_too_late",
    ("contentType", "content_type_invalid"): "content_type_invalid",
    ("youtube", "missing"): "youtube_metadata_incomplete",
    ("youtube", "string_too_short"): "youtube_metadata_incomplete",
}
"""(field, what pydantic calls the problem) → code; any other problem is `invalid_request`."""

RETRY_AFTER_SECONDS: Final = 5
MAX_ECHO: Final = 100


class Upload24Error(Exception):
    """Something that only this API refuses."""

    def __init__(self, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details


@dataclass(frozen=True)
class _Refusal:
    status: int
    code: str
    message: str
    details: dict[str, Any] = field(default_factory=dict)


def render_error(request: web.Request, error: Exception) -> web.Response:
    refusal = _refusal(request, error)
    view = ErrorView(code=refusal.code, message=refusal.message, details=refusal.details)
    response = web.json_response(text=ErrorBody(error=view).model_dump_json(), status=refusal.status)
    if refusal.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if refusal.status == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def _refusal(request: web.Request, error: Exception) -> _Refusal:
    match error:
        case ValidationError():
            return _invalid(error)
        case HttpError():
            is_file = error.code == "body_too_large" and _is_form(request)
            return _Refusal(error.status, "file_too_large" if is_file else error.code, error.message)
        case Upload24Error():
            return _Refusal(STATUS[error.code], error.code, error.message, error.details)
        case GatewayError() if error.code in STATUS:
            return _Refusal(STATUS[error.code], CODES.get(error.code, error.code), error.message, _details(error))
    if isinstance(error, UNAVAILABLE_ERRORS):
        return _Refusal(503, "unavailable", "The service is busy or restarting. Try again.")
    return _Refusal(500, "internal_error", "Unexpected server error")


def _details(error: GatewayError) -> dict[str, Any]:
    match error:
        case AccountNotLinkedError() | QuotaExceededError():
            return {"accounts": list(error.accounts)}
        case FileRejectedError():
            return {"reason": error.reason}
    return {}


def _is_form(request: web.Request) -> bool:
    return request.content_type == "multipart/form-data"


def _invalid(error: ValidationError) -> _Refusal:
    """Code and message of the first problem; all of them, by their fields, in `details.fields`."""
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    fields: dict[str, str] = {}
    for found in problems:
        fields.setdefault(".".join(map(str, found["loc"]))[:MAX_ECHO] or "body", _message(found))
    first = problems[0]
    code = FIELD_CODES.get((str(first["loc"][0]) if first["loc"] else "", first["type"]), "invalid_request")
    return _Refusal(STATUS.get(code, 400), code, next(iter(fields.values())), {"fields": fields})


def _message(found: Any) -> str:
    name = ".".join(map(str, found["loc"]))[:MAX_ECHO] or "body"
    match found["type"]:
        case "missing" | "string_pattern_mismatch":
            return f"{name} is required"
        case "extra_forbidden":
            return f"{name} is not a known field"
    return f"{name}: {found['msg']}"

"""Errors in the words of the MediaLab API: `{error, error_description, user_message}` and a status that fits.

The vendor publishes the shape alone. `error` is a stable code, `error_description` is for developers, and `user_message` for
whoever looks at an upload page.
"""

from typing import Final

from aiohttp import web
from pydantic import ValidationError

from libs.web.problem import UNAVAILABLE_ERRORS
from libs.web.route import HttpError
from services.gateway.dialects.medialab.answer import CORS_HEADERS
from services.gateway.dialects.medialab.schemas import ErrorBody
from services.gateway.domain.error import GatewayError, UnknownKeyError, UnknownTokenError

RETRY_AFTER_SECONDS: Final = 5
MAX_ECHO: Final = 100

REFUSED: Final = "You are not allowed to do this."
INVALID: Final = "The request could not be understood."
BUSY: Final = "The service is busy. Please try again."

ANSWERS: Final[dict[str, tuple[int, str, str]]] = {
    "insufficient_scope": (403, "insufficient_scope", REFUSED),
    "insufficient_role": (403, "access_denied", REFUSED),
    "storage_blocked": (403, "storage_blocked", "Your storage is blocked."),
    "upload_url_refused": (403, "invalid_upload_url", "This upload link is not valid."),
    "upload_id_not_found": (404, "upload_id_not_found", "This upload does not exist."),
    "upload_id_finished": (409, "upload_id_finished", "This upload is finished and takes no more files."),
    "upload_id_expired": (410, "upload_id_expired", "This upload has expired. Please start again."),
    "max_files_exceeded": (409, "max_files_exceeded", "There are too many files in this upload."),
    "max_filesize_exceeded": (413, "max_filesize_exceeded", "This file is too large."),
    "max_size_exceeded": (413, "max_size_exceeded", "The files of this upload are too large together."),
    "file_too_large": (413, "file_too_large", "This file is too large."),
    "file_extension_not_allowed": (415, "file_extension_not_allowed", "Files of this type are not accepted."),
    "folder_not_found": (404, "folder_not_found", "This folder does not exist."),
    "container_not_found": (404, "container_not_found", "This storage container does not exist."),
    "invalid_field": (400, "invalid_request", INVALID),
    "url_refused": (400, "invalid_url", "This address cannot be used."),
}
"""Code → status, `error`, `user_message`."""


class UploadUrlRefusedError(GatewayError):
    """The upload URL is not one that was handed out"""

    code = "upload_url_refused"


class SourceRefusedError(GatewayError):
    """`url` will not be fetched"""

    code = "url_refused"


def render_error(_request: web.Request, error: Exception) -> web.Response:
    match error:
        case HttpError():
            return _answer(error.status, error.code, error.message, INVALID)
        case ValidationError():
            return _answer(400, "invalid_request", _message(error), INVALID)
        case UnknownTokenError() | UnknownKeyError():
            response = _answer(401, "invalid_token", "Missing or invalid token", "Please sign in again.")
            response.headers["WWW-Authenticate"] = "Bearer"
            return response
        case GatewayError() if error.code in ANSWERS:
            status, code, user_message = ANSWERS[error.code]
            return _answer(status, code, error.message, user_message)
    if isinstance(error, UNAVAILABLE_ERRORS):
        response = _answer(503, "temporarily_unavailable", "The service is busy or restarting.", BUSY)
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response
    return _answer(500, "server_error", "Unexpected server error", BUSY)


def _answer(status: int, code: str, description: str, user_message: str) -> web.Response:
    body = ErrorBody(error=code, error_description=description, user_message=user_message)
    return web.Response(
        status=status, body=body.model_dump_json().encode(), content_type="application/json", headers=CORS_HEADERS
    )


def _message(error: ValidationError) -> str:
    """Of the first field that is wrong."""
    detail = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = str(detail["loc"][0])[:MAX_ECHO] if detail["loc"] else "body"
    match detail["type"]:
        case "missing":
            return f"{field} is required"
        case "extra_forbidden":
            return f"Unknown field: {field}"
    return f"{field}: {detail['msg']}"

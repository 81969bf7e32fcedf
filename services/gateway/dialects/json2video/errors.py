"""Errors in the words of the json2video API (J-18 to J-22): the messages are exact."""

from typing import Any, Final

from aiohttp import web
from pydantic import ValidationError

from libs.web.problem import UNAVAILABLE_ERRORS
from libs.web.route import HttpError
from services.gateway.dialects.json2video.schemas import ErrorBody
from services.gateway.domain.error import GatewayError

ANSWERS: Final[dict[str, tuple[int, str | None]]] = {
    "unknown_key": (403, None),
    "insufficient_role": (403, "Insufficient permissions"),
    "invalid_field": (400, None),
    "storage_blocked": (403, "Storage is blocked. Add credits to continue uploading."),
    "file_too_large": (413, "File exceeds maximum size of 500 MB"),
    "name_taken": (409, "A file with this name already exists. Delete it first."),
    "destination_taken": (409, "A file with this name already exists in the destination folder"),
    "upload_not_found": (404, "File not found"),
    "folder_not_found": (404, "Folder not found"),
    "folder_not_empty": (400, "Folder is not empty. Delete all files first."),
    "reserved_folder": (400, None),
}
"""Code → status and message; None: the error's own message."""

FIELD_MESSAGES: Final = {
    "name": "name is required",
    "contentType": "contentType is required",
    "size": "size is required and must be a positive number",
    "destination": "destination is required",
    "folder": "Invalid folder name",
}

RETRY_AFTER_SECONDS: Final = 5
MAX_ECHO: Final = 100


def render_error(_request: web.Request, error: Exception) -> web.Response:
    match error:
        case HttpError():
            return _answer(error.status, error.message)
        case ValidationError():
            return _answer(400, _message(error))
        case GatewayError() if error.code in ANSWERS:
            status, message = ANSWERS[error.code]
            return _answer(status, message or error.message)
    if isinstance(error, UNAVAILABLE_ERRORS):
        response = _answer(503, "The service is busy or restarting. Try again.")
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response
    return _answer(500, "Unexpected server error")


def _answer(status: int, message: str) -> web.Response:
    return web.json_response(text=ErrorBody(message=message).model_dump_json(), status=status)


def _message(error: ValidationError) -> str:
    """Of the first field that is wrong, in the order in which the API states its fields; unknown fields come last."""
    detail = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = str(detail["loc"][0])[:MAX_ECHO] if detail["loc"] else "body"
    if detail["type"] == "extra_forbidden":
        return f"Unknown field: {field}"
    if field == "folder" and _is_absent(error):
        return "folder is required"
    return FIELD_MESSAGES.get(field, f"{field}: {detail['msg']}")


def _is_absent(error: ValidationError) -> bool:
    detail: Any = error.errors(include_url=False, include_context=False)[0]
    return detail["type"] == "missing" or detail["input"] in (None, "")

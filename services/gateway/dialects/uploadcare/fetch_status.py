"""How a fetch is getting on, in this API's words (U-31, U-44).

`waiting`, `progress` with `done` and `total`, `success` with the file, `error` with one of the published codes, all in an
answer of status 200, and `unknown` for a token that nobody has or whose file is gone.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from services.gateway.dialects.uploadcare.errors import UploadcareError
from services.gateway.dialects.uploadcare.file_info import file_info
from services.gateway.dialects.uploadcare.verdict import refusal_of
from services.gateway.domain.upload import State, Upload

UNKNOWN: Final[Mapping[str, Any]] = {"status": "unknown"}
UNKNOWN_TOTAL: Final = "unknown"


def _too_large(message: str) -> UploadcareError:
    size, arrow, limit = message.partition(" > ")
    return UploadcareError("DownloadFileSizeLimitExceededError", size, limit) if arrow else UploadcareError("DownloadFileError")


REFUSALS: Final[Mapping[str, Callable[[str], UploadcareError]]] = {
    "fetch_client_error": lambda message: UploadcareError("DownloadFileHTTPClientError", message),
    "fetch_server_error": lambda message: UploadcareError("DownloadFileHTTPServerError", message),
    "fetch_network_error": lambda message: UploadcareError("DownloadFileHTTPNetworkError", message),
    "fetch_url_refused": lambda message: UploadcareError("DownloadFileHTTPURLValidationError", message),
    "fetch_timeout": lambda message: UploadcareError("DownloadFileTimeLimitExceededError", message),
    "fetch_too_large": _too_large,
    "fetch_type_forbidden": lambda _message: UploadcareError(
        "DownloadFileValidationFailedError", UploadcareError("FileTypeForbiddenError").content
    ),
    "fetch_too_many_redirects": lambda _message: UploadcareError("URLRedirectsLimitExceededError"),
    "fetch_internal": lambda _message: UploadcareError("DownloadFileInternalServerError"),
}
"""By the code of FetchFailed, with its message. Any other reason is a `DownloadFileError`."""


def fetch_status(upload: Upload, now: datetime) -> Mapping[str, Any]:
    if (failure := _failure(upload)) is not None:
        return {"status": "error", "error": failure.content, "error_code": failure.code}
    if upload.removed or (upload.file_expires_at is not None and upload.file_expires_at <= now):
        return UNKNOWN
    if upload.completed_at is not None:
        return {"status": "success", **file_info(upload).model_dump()}
    if upload.fetched_bytes is None:
        return {"status": "waiting", "done": 0, "total": UNKNOWN_TOTAL}  # pyuploadcare reads both in every answer
    total = UNKNOWN_TOTAL if upload.fetch_total_bytes is None else upload.fetch_total_bytes
    return {"status": "progress", "done": upload.fetched_bytes, "total": total}


def _failure(upload: Upload) -> UploadcareError | None:
    if upload.state is State.EXPIRED:
        # All of it was fetched, but what was to lie in the store was never seen there; or it did not come to its end at all.
        fetched = upload.fetched_bytes is not None and upload.fetched_bytes == upload.fetch_total_bytes
        return UploadcareError("DownloadFileNotFoundError" if fetched else "DownloadFileTaskFailedError")
    if upload.state is not State.REJECTED:
        return None
    if upload.error_code == "infected":
        return refusal_of(upload)
    refusal = REFUSALS.get(upload.error_code or "")
    return refusal(upload.error_message or "") if refusal else UploadcareError("DownloadFileError")

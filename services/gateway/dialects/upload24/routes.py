"""The routes of the Upload24 API and what they document."""

from pydantic import BaseModel

from libs.web.route import Answer, Api, HttpHandler, Parameter, Route
from services.gateway.auth import HEADER
from services.gateway.deps import Deps
from services.gateway.dialects.upload24.completion import Completion
from services.gateway.dialects.upload24.errors import render_error
from services.gateway.dialects.upload24.form import FormUpload
from services.gateway.dialects.upload24.history import History
from services.gateway.dialects.upload24.keys import Keys
from services.gateway.dialects.upload24.schemas import (
    Aborted,
    CompleteRequest,
    ErrorBody,
    FormRequest,
    GeneratedKey,
    KeyRequest,
    MultipartRequest,
    MultipartSession,
    PresignRequest,
    PutSession,
    ResumedSession,
    Submitted,
    TokenRequest,
    UploadPage,
    UploadStatus,
)
from services.gateway.dialects.upload24.session import Sessions
from services.gateway.dialects.upload24.translate import DIALECT

BEARER = ("bearer_token",)
EITHER = ("api_key", *BEARER)
UPLOAD_ID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
"""Nothing else, so that no literal path of another API is taken for one (5.1.1)."""

_TEXTS = {
    400: "The request is not as documented, or an account is not linked; `code` says why",
    401: "No valid API key and no valid bearer token",
    403: "The role does not allow it, the storage is blocked, or an account's quota is used up",
    404: "There is no such session or upload",
    408: "The body did not arrive in time",
    409: "The session is completed or aborted, or the file is not there yet",
    410: "The session has expired",
    413: "The file or the body is too large",
    415: "Another Content-Type than the route takes",
    422: "The file is not what was declared",
    500: "Unexpected server error",
    503: "Try again",
}
_BODY = (400, 401, 403, 408, 413, 415)
_SESSION = (*_BODY, 404, 409, 410)


def api(deps: Deps) -> Api:
    sessions, completion = Sessions(deps), Completion(deps)
    form, history, keys = FormUpload(deps), History(deps), Keys(deps)
    return Api(
        name=DIALECT,
        title="Upload24",
        render_error=render_error,
        security_schemes={
            "api_key": {"type": "apiKey", "in": "header", "name": HEADER},
            "bearer_token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        },
        routes=[
            _route("/api-keys/generate", keys.generate, "generate_api_key", "Generate an API key for uploads",
                   {201: Answer("The key, this once.", GeneratedKey)}, errors=_BODY, body=KeyRequest, security=BEARER),
            Route("POST", "/api/upload", form.upload, "upload", "Upload a file and its metadata in one form",
                  {201: Answer("The upload's record.", Submitted), **_errors(*_BODY)}, form=FormRequest,
                  form_types=("multipart/form-data",), security=EITHER),
            _route("/api/upload/presign-put", sessions.presign_put, "presign_put", "Open a session for one PUT",
                   {200: Answer("Where and how to PUT the file.", PutSession)}, errors=_BODY, body=PresignRequest),
            _route("/api/upload/multipart", sessions.multipart, "presign_multipart", "Open a session for parts",
                   {200: Answer("Where to PUT each part.", MultipartSession)}, errors=_BODY, body=MultipartRequest),
            _route("/api/upload/multipart/resume", sessions.resume, "resume_multipart", "Go on with an interrupted session",
                   {200: Answer("Which parts are there, and new URLs for the others.", ResumedSession)}, errors=_SESSION,
                   body=TokenRequest),
            _route("/api/upload/complete", completion.complete, "complete", "Complete a session; again is fine",
                   {200: Answer("The upload's record.", Submitted)}, errors=(*_SESSION, 422), body=CompleteRequest),
            _route("/api/upload/abort", sessions.abort, "abort", "Abort a session; again is fine",
                   {200: Answer("Nothing of it is kept.", Aborted)}, errors=_SESSION, body=TokenRequest),
            Route("GET", f"/api/upload/{{uploadId:{UPLOAD_ID}}}/status", history.status, "upload_status", "Status of an upload",
                  {200: Answer("Of all accounts, and of each.", UploadStatus), **_errors(401, 403, 404)},
                  parameters=(Parameter("uploadId", "path", "As answered by `complete`.", True,
                                        {"type": "string", "format": "uuid"}),), security=EITHER),
            Route("GET", "/uploads", history.list, "list_uploads", "The tenant's uploads, newest first",
                  {200: Answer("One page.", UploadPage), **_errors(400, 401, 403)}, parameters=_LIST, security=BEARER),
        ],
    )  # fmt: skip


_LIST = (
    Parameter("limit", "query", "How many at most; 20 where not given.",
              schema={"type": "integer", "minimum": 1, "maximum": 100}),
    Parameter("cursor", "query", "`nextCursor` of the page before.", schema={"type": "string", "maxLength": 120}),
    Parameter("status", "query", "Only uploads whose status this is.",
              schema={"type": "string", "enum": ["Scheduled", "Processing", "Uploaded", "Failed"]}),
    Parameter("account", "query", "Only uploads to this account.", schema={"type": "string", "maxLength": 100}),
    Parameter("from", "query", "Only uploads completed at this time or later.",
              schema={"type": "string", "format": "date-time"}),
    Parameter("to", "query", "Only uploads completed before this time.", schema={"type": "string", "format": "date-time"}),
)  # fmt: skip


def _route(
    path: str,
    handler: HttpHandler,
    operation: str,
    summary: str,
    answers: dict[int, Answer],
    *,
    errors: tuple[int, ...],
    body: type[BaseModel],
    security: tuple[str, ...] = EITHER,
) -> Route:
    return Route("POST", path, handler, operation, summary, {**answers, **_errors(*errors)}, body=body, security=security)


def _errors(*statuses: int) -> dict[int, Answer]:
    headers = {401: {"WWW-Authenticate": "`Bearer`"}, 503: {"Retry-After": "Seconds."}}
    return {status: Answer(_TEXTS[status], ErrorBody, headers=headers.get(status, {})) for status in (*statuses, 500, 503)}

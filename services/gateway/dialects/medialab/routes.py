"""The routes of the MediaLab API and what they document. Each is taken with and without `/api`, as the vendor shows both."""

from collections.abc import Sequence

from pydantic import BaseModel

from libs.web.route import Answer, Api, HttpHandler, Parameter, Route
from services.gateway.deps import Deps
from services.gateway.dialects.medialab.answer import preflight
from services.gateway.dialects.medialab.blob import Blobs
from services.gateway.dialects.medialab.caller import Callers
from services.gateway.dialects.medialab.errors import render_error
from services.gateway.dialects.medialab.folder import MAX_PAGE, Folders
from services.gateway.dialects.medialab.remote import Remote
from services.gateway.dialects.medialab.schemas import (
    BlobRequest,
    ContentsView,
    ErrorBody,
    Finished,
    FolderCreated,
    FolderRequest,
    FolderView,
    RemoteRequest,
    RemoteView,
    Uploaded,
    UploadForm,
    UploadIdFinish,
    UploadIdRequest,
    UploadIdView,
)
from services.gateway.dialects.medialab.translate import DIALECT
from services.gateway.dialects.medialab.upload import Uploads
from services.gateway.dialects.medialab.upload_id import UploadIds
from services.gateway.dialects.medialab.upload_url import PURPOSE, UploadUrls

_ERRORS = {
    400: "The request is not as documented",
    401: "No valid token",
    403: "No scope `upload`, a role below Uploader, blocked storage, or an upload URL that was not handed out",
    404: "No such upload id, folder or container",
    408: "The body did not arrive in time",
    409: "The upload id is finished, or has all the files that it takes",
    410: "The upload id has expired",
    413: "A limit of sizes is exceeded",
    415: "A body of another type, or a file whose extension is not accepted",
    500: "Unexpected server error",
    503: "Try again",
}
_RETRY = {"Retry-After": "Seconds."}
_SECURITY = ("bearer", "private_token", "access_token")

_ULID = Parameter("ulid", "path", "From `POST /api/upload/id`", required=True)
_ULID_QUERY = Parameter("ulid", "query", "From `POST /api/upload/id`, where the body does not say it")
_SIGNED = (
    Parameter("expires", "query", "From `url_upload_direct`"),
    Parameter("signature", "query", "From `url_upload_direct`; without it, credentials are needed"),
    Parameter("folder_id", "query", "Where the form names no folder", schema={"type": "integer", "minimum": 0}),
)
_FOLDER = Parameter("folder_id", "path", "0: the root", required=True, schema={"type": "integer", "minimum": 0})
_PAGE = (
    Parameter("limit", "query", "Files of one page", schema={"type": "integer", "minimum": 1, "maximum": MAX_PAGE}),
    Parameter("cursor", "query", "`next_cursor` of the page before", schema={"type": "string", "format": "uuid"}),
)


def api(deps: Deps) -> Api:
    callers = Callers(deps)
    urls = UploadUrls(deps.base_url, deps.secrets_box.derived(PURPOSE))
    return Api(
        name=DIALECT,
        title="MediaLab upload",
        render_error=render_error,
        preflight=preflight,
        security_schemes={
            "bearer": {"type": "http", "scheme": "bearer", "description": "An OAuth2 token with the scope `upload`"},
            "private_token": {
                "type": "apiKey", "in": "header", "name": "Authorization", "description": "`Private-Token <token>`",
            },
            "access_token": {"type": "apiKey", "in": "query", "name": "access_token"},
        },
        routes=[
            *_upload_id_routes(UploadIds(deps, callers, urls)),
            *_file_routes(Uploads(deps, callers, urls), Remote(deps, callers), Blobs(deps, callers)),
            *_folder_routes(Folders(deps, callers)),
        ],
    )  # fmt: skip


def _upload_id_routes(ids: UploadIds) -> list[Route]:
    finished = Answer("Its files; again is fine", Finished)
    return [
        _route("POST", "/api/upload/id", ids.register, "create_upload_id", "Register an upload id",
               Answer("The upload id and where its files go", UploadIdView), body=UploadIdRequest, also="/upload/id"),
        _route("DELETE", "/api/upload/id/{ulid:[^/]+}", ids.finish, "finish_upload_id", "Finish an upload id", finished,
               parameters=(_ULID,), also="/upload/id/{ulid:[^/]+}"),
        _route("DELETE", "/api/upload/id", ids.finish, "finish_named_upload_id", "Finish the upload id that the request names",
               finished, body=UploadIdFinish, parameters=(_ULID_QUERY,), also="/upload/id"),
    ]  # fmt: skip


def _file_routes(uploads: Uploads, remote: Remote, blobs: Blobs) -> list[Route]:
    uploaded = Answer("It is stored", Uploaded)
    return [
        _route("POST", "/api/file/{ulid:[^/]+}", uploads.upload, "upload_file", "Upload files under an upload id", uploaded,
               form=UploadForm, parameters=(_ULID, *_SIGNED), also="/api/direct/{ulid:[^/]+}"),
        _route("POST", "/upload/file", uploads.upload, "upload_named_file", "Upload files under the upload id of the query",
               uploaded, form=UploadForm, parameters=(_ULID_QUERY, *_SIGNED),
               also="/{_:upload/direct|api/upload/file|api/upload/direct}"),
        _route("POST", "/api/upload/remote", remote.fetch, "fetch_remote_file", "Upload a file from a URL",
               Answer("It will be fetched", RemoteView), body=RemoteRequest, also="/upload/remote"),
        _route("POST", "/api/upload/blob", blobs.fetch, "fetch_blob", "Upload a file that lies in a linked container",
               Answer("It will be fetched", RemoteView), body=BlobRequest, also="/upload/blob"),
    ]  # fmt: skip


def _folder_routes(folders: Folders) -> list[Route]:
    path = "folders/{folder_id:[^/]+}"
    return [
        _route("POST", f"/api/{path}", folders.create, "create_folder", "Create a folder in another one",
               Answer("The folder, made now or before", FolderCreated), body=FolderRequest, parameters=(_FOLDER,),
               also=f"/{path}"),
        _route("GET", f"/api/{path}", folders.show, "get_folder", "One folder", Answer("The folder", FolderView),
               parameters=(_FOLDER,), also=f"/{path}"),
        _route("GET", f"/api/{path}/contents", folders.contents, "get_folder_contents", "What lies in a folder",
               Answer("One page", ContentsView), parameters=(_FOLDER, *_PAGE), also=f"/{path}/contents"),
    ]  # fmt: skip


def _route(  # noqa: PLR0917  # in the order of a route's own fields
    method: str,
    path: str,
    handler: HttpHandler,
    operation_id: str,
    summary: str,
    success: Answer,
    *,
    body: type[BaseModel] | None = None,
    form: type[BaseModel] | None = None,
    parameters: Sequence[Parameter] = (),
    also: str | None = None,
) -> Route:
    """`body` may come as JSON or as a form, `form` as form data alone."""
    errors = {status: Answer(text, ErrorBody, headers=_RETRY if status == 503 else {}) for status, text in _ERRORS.items()}
    return Route(
        method,
        path,
        handler,
        operation_id,
        summary,
        {200: success, **errors},
        body=body,
        form=form or body,
        form_types=Route.form_types if body else ("multipart/form-data",),
        parameters=parameters,
        also=also,
        security=_SECURITY,
    )

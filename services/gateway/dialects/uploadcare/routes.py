"""The routes of the Upload API and what they document.

Each path is taken with and without the slash at its end, and with doubled slashes (pyuploadcare posts to `/group//`), without
a redirect, after which a POST would be a GET.
"""

from collections.abc import Sequence

from pydantic import BaseModel

from libs.web.route import Answer, Api, HttpHandler, Parameter, Route
from services.gateway.deps import Deps
from services.gateway.dialects.uploadcare.answer import preflight
from services.gateway.dialects.uploadcare.direct import Direct
from services.gateway.dialects.uploadcare.errors import render_error
from services.gateway.dialects.uploadcare.file_info import FileInfo
from services.gateway.dialects.uploadcare.from_url import FromUrl
from services.gateway.dialects.uploadcare.group import Groups
from services.gateway.dialects.uploadcare.info import Info
from services.gateway.dialects.uploadcare.multipart import Multipart
from services.gateway.dialects.uploadcare.schemas import (
    BaseForm,
    CompleteForm,
    ErrorBody,
    FetchedBefore,
    FetchError,
    FetchProgress,
    FetchSuccess,
    FetchToken,
    FetchUnknown,
    FromUrlForm,
    GroupForm,
    GroupView,
    Started,
    StartForm,
    UploadedIds,
)
from services.gateway.dialects.uploadcare.translate import DIALECT
from services.gateway.dialects.uploadcare.verdict import Verdicts

_ERRORS = {
    400: "The request is not as documented; `error_code` says why",
    401: "The access token is expired or invalid",
    403: "The project's key, its state or the signature does not allow it",
    404: "Not found",
    413: "The request is too large",
    429: "Throttled",
    500: "Internal error",
    503: "Try again",
}
_RETRY = {"Retry-After": "Seconds."}
_FILES = ("multipart/form-data",)

_PUB_KEY = Parameter("pub_key", "query", "The project's public key", required=True)
_JSON_ERRORS = Parameter("jsonerrors", "query", "`1`: errors come with HTTP 200", schema={"type": "string", "enum": ["0", "1"]})


def api(deps: Deps) -> Api:
    verdicts = Verdicts(deps)
    return Api(
        name=DIALECT,
        title="Uploadcare Upload API",
        render_error=render_error,
        preflight=preflight,
        routes=[
            *_upload_routes(Direct(deps, verdicts), Multipart(deps, verdicts), FromUrl(deps)),
            *_reading_routes(FromUrl(deps), Info(deps)),
            *_group_routes(Groups(deps)),
        ],
    )


def _upload_routes(direct: Direct, multipart: Multipart, from_url: FromUrl) -> list[Route]:
    redirect = Answer("On to `UPLOADCARE_ACTION`", UploadedIds, headers={"Location": "With the ids in its query."})
    token = Answer(
        "The token to ask with, or a file that was fetched before", FetchToken, other_models=(FetchedBefore, ErrorBody)
    )
    return [
        _route("POST", "base", direct.upload, "upload", "Upload files directly",
               Answer("Their ids", UploadedIds, other_models=(ErrorBody,)), redirect=redirect,
               form=BaseForm, form_types=_FILES),
        _route("POST", "multipart/start", multipart.start, "start_multipart", "Start a multipart upload",
               Answer("Where to PUT the parts", Started, other_models=(ErrorBody,)), form=StartForm),
        _route("POST", "multipart/complete", multipart.complete, "complete_multipart", "Complete a multipart upload",
               Answer("The file", FileInfo, other_models=(ErrorBody,)), form=CompleteForm),
        _route("POST", "from_url", from_url.fetch, "fetch", "Upload a file from a URL", token, form=FromUrlForm),
    ]  # fmt: skip


def _reading_routes(from_url: FromUrl, info: Info) -> list[Route]:
    states = (FetchSuccess, FetchError, FetchUnknown, ErrorBody)
    return [
        _route("GET", "from_url/status", from_url.status, "fetch_status", "How a fetch is getting on",
               Answer("Its state", FetchProgress, other_models=states),
               parameters=(Parameter("token", "query", "From `/from_url/`", required=True),)),
        _route("GET", "info", info.show, "get_file", "One file",
               Answer("The file", FileInfo, other_models=(ErrorBody,)),
               parameters=(_PUB_KEY, Parameter("file_id", "query", "The file's UUID", required=True))),
    ]  # fmt: skip


def _group_routes(groups: Groups) -> list[Route]:
    group = Answer("The group", GroupView, other_models=(ErrorBody,))
    return [
        _route("POST", "group", groups.create, "create_group", "Make a group of files", group, form=GroupForm),
        _route("GET", "group/info", groups.show, "get_group", "One group", group,
               parameters=(_PUB_KEY, Parameter("group_id", "query", "`<uuid>~<number of files>`", required=True))),
    ]  # fmt: skip


def _route(  # noqa: PLR0917  # in the order of a route's own fields
    method: str,
    path: str,
    handler: HttpHandler,
    operation_id: str,
    summary: str,
    success: Answer,
    *,
    form: type[BaseModel] | None = None,
    form_types: Sequence[str] = Route.form_types,
    parameters: Sequence[Parameter] = (),
    redirect: Answer | None = None,
) -> Route:
    errors = {
        status: Answer(text, ErrorBody, headers=_RETRY if status in (429, 503) else {}) for status, text in _ERRORS.items()
    }
    return Route(
        method,
        f"/{path}/",
        handler,
        operation_id,
        summary,
        {200: success, **({303: redirect} if redirect else {}), **errors},
        form=form,
        form_types=form_types,
        parameters=(*parameters, _JSON_ERRORS),
        also="/{_:/*" + path.replace("/", "/+") + "/*}",
    )

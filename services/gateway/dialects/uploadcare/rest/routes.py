"""The routes of the REST API and what they document."""

from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import BaseModel

from libs.web.route import Answer, Api, HttpHandler, Parameter, Route
from services.gateway.deps import Deps
from services.gateway.dialects.uploadcare.rest.copy import Copies
from services.gateway.dialects.uploadcare.rest.errors import CONTENT_TYPE, render_error
from services.gateway.dialects.uploadcare.rest.file import Files
from services.gateway.dialects.uploadcare.rest.file_list import FileList
from services.gateway.dialects.uploadcare.rest.group import Groups
from services.gateway.dialects.uploadcare.rest.metadata import MetadataFace
from services.gateway.dialects.uploadcare.rest.project import ProjectFace
from services.gateway.dialects.uploadcare.rest.schemas import (
    BatchAnswer,
    CopyAnswer,
    CopyRequest,
    ErrorBody,
    FileIds,
    FilePage,
    FileView,
    GroupPage,
    GroupView,
    HookChange,
    HookList,
    HookRequest,
    HookView,
    Metadata,
    MetadataValue,
    ProjectView,
    Unsubscription,
)
from services.gateway.dialects.uploadcare.rest.webhook import Webhooks

_ACCEPT: Final = Parameter(
    "Accept", "header", "The version of the API", required=True, schema={"type": "string", "const": CONTENT_TYPE}
)
_ERRORS: Final = {
    400: "The request is not as documented",
    401: "No keys, wrong ones, a wrong signature, or a date that is more than 15 minutes away",
    403: "The project is blocked, unpaid, over its limits or removed",
    404: "Not found in this project",
    406: "Another version of the API is asked for",
    408: "The body did not arrive in time",
    413: "The body has more than 64 KiB",
    415: "The body is neither JSON nor urlencoded",
    429: "Too many requests; `Retry-After` says for how many seconds",
    500: "Unexpected server error",
    503: "Try again",
}
_ALWAYS: Final = (400, 401, 403, 406, 408, 413, 429, 500, 503)
_GONE: Final = Answer("It is gone")
_LIMIT: Final = Parameter(
    "limit", "query", "How many per page", schema={"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}
)
_FROM: Final = Parameter(
    "from", "query", "Begin with this time (ISO 8601), in the order asked for", schema={"type": "string", "maxLength": 100}
)


def api(deps: Deps) -> Api:
    return Api(
        name="uploadcare_rest",
        title="Uploadcare REST API v0.7",
        render_error=render_error,
        security_schemes={
            "uploadcare": {
                "type": "apiKey",
                "in": "header",
                "name": "Authorization",
                "description": "`Uploadcare.Simple <public key>:<secret key>`, or `Uploadcare <public key>:<signature>`, the "
                "hexadecimal HMAC-SHA1 of method, hexadecimal MD5 of the body, `Content-Type`, `Date` (or `X-Uploadcare-Date`) "
                "and path with query, joined by line feeds, with the secret key.",
            }
        },
        routes=[
            *_file_routes(Files(deps), FileList(deps), Copies(deps)),
            *_metadata_routes(MetadataFace(deps)),
            *_group_routes(Groups(deps)),
            *_webhook_routes(Webhooks(deps)),
            _route("GET", "/project/", ProjectFace(deps).show, "get_project", "The project of these keys",
                   {200: _vendors("The project", ProjectView)}),
        ],
    )  # fmt: skip


def _file_routes(files: Files, listing: FileList, copies: Copies) -> list[Route]:
    one, many = "/files/{uuid}/", "/files/storage/"
    file = {200: _vendors("The file", FileView), **_errors(404)}
    batch = {200: _vendors("What was done, and for which files nothing could be", BatchAnswer), **_errors(415)}
    query = (
        _LIMIT, _FROM, _ordering("datetime_uploaded"),
        Parameter("removed", "query", "Removed files only, or none of them", schema={"type": "boolean", "default": False}),
        Parameter("stored", "query", "Stored files only, or none of them", schema={"type": "boolean"}),
    )  # fmt: skip
    return [
        _route("GET", "/files/", listing.show, "list_files", "Files, a page at a time",
               {200: _vendors("One page", FilePage)}, parameters=query),
        _route("GET", one, files.show, "get_file", "One file", file),
        _route("DELETE", one, files.delete, "remove_file", "Delete a file", file),
        _route("PUT", f"{one}storage/", files.store, "store_file", "Keep a file for good", file),
        _route("DELETE", f"{one}storage/", files.delete, "delete_file", "Delete a file", file),
        _route("PUT", many, files.store_many, "store_files", "Keep up to 100 files for good", batch, body=FileIds),
        _route("DELETE", many, files.delete_many, "delete_files", "Delete up to 100 files", batch, body=FileIds),
        _route("POST", "/files/local_copy/", copies.create, "copy_file", "Copy a file within the project",
               {201: _vendors("The new file", CopyAnswer), **_errors(404, 415)}, body=CopyRequest),
    ]  # fmt: skip


def _metadata_routes(metadata: MetadataFace) -> list[Route]:
    all_keys, one = "/files/{uuid}/metadata/", "/files/{uuid}/metadata/{key}/"
    value = {200: _vendors("The value", MetadataValue), **_errors(404)}
    return [
        _route("GET", all_keys, metadata.show, "get_metadata", "All metadata of a file",
               {200: _vendors("Keys and values", Metadata), **_errors(404)}),
        _route("GET", one, metadata.show_value, "get_metadata_value", "The value of one key", value),
        _route("PUT", one, metadata.put, "put_metadata_value", "Set the value of one key",
               {**value, 201: _vendors("The value of a new key", MetadataValue), **_errors(415)}, body=MetadataValue),
        _route("DELETE", one, metadata.delete, "delete_metadata_value", "Delete one key", {204: _GONE, **_errors(404)}),
    ]  # fmt: skip


def _group_routes(groups: Groups) -> list[Route]:
    one = "/groups/{group_id}/"
    return [
        _route("GET", "/groups/", groups.show_all, "list_groups", "Groups, a page at a time",
               {200: _vendors("One page", GroupPage)}, parameters=(_LIMIT, _FROM, _ordering("datetime_created"))),
        _route("GET", one, groups.show, "get_group", "One group with its files",
               {200: _vendors("The group", GroupView), **_errors(404)}),
        _route("DELETE", one, groups.delete, "delete_group", "Delete a group; its files stay", {204: _GONE, **_errors(404)}),
    ]  # fmt: skip


def _webhook_routes(webhooks: Webhooks) -> list[Route]:
    path, one = "/webhooks/", "/webhooks/{hook_id}/"
    return [
        _route("GET", path, webhooks.show_all, "list_webhooks", "All webhooks", {200: _vendors("The webhooks", HookList)}),
        _route("POST", path, webhooks.create, "create_webhook", "Be told what becomes of files",
               {201: _vendors("The webhook", HookView), **_errors(415)}, body=HookRequest),
        _route("PUT", one, webhooks.change, "update_webhook", "Change a webhook; what is not given stays",
               {200: _vendors("The webhook", HookView), **_errors(404, 415)}, body=HookChange),
        _route("DELETE", one, webhooks.delete, "delete_webhook", "Delete a webhook", {204: _GONE, **_errors(404)}),
        _route("DELETE", "/webhooks/unsubscribe/", webhooks.unsubscribe, "unsubscribe", "Delete all webhooks of an address",
               {204: _GONE, **_errors(404, 415)}, body=Unsubscription),
    ]  # fmt: skip


def _route(  # noqa: PLR0917  # in the order of a route's own fields
    method: str,
    path: str,
    handler: HttpHandler,
    operation_id: str,
    summary: str,
    answers: Mapping[int, Answer],
    *,
    body: type[BaseModel] | None = None,
    parameters: Sequence[Parameter] = (),
) -> Route:
    """Taken without the slash at its end, too."""
    return Route(
        method,
        path,
        handler,
        operation_id,
        summary,
        {**answers, **_errors(*_ALWAYS)},
        body=body,
        also=path.rstrip("/"),
        parameters=(_ACCEPT, *parameters),
        security=("uploadcare",),
    )


def _vendors(description: str, model: type[BaseModel]) -> Answer:
    return Answer(description, model, CONTENT_TYPE)


def _errors(*statuses: int) -> dict[int, Answer]:
    return {status: _vendors(_ERRORS[status], ErrorBody) for status in statuses}


def _ordering(field: str) -> Parameter:
    choices = {"type": "string", "enum": [field, f"-{field}"], "default": field}
    return Parameter("ordering", "query", "Oldest or newest first", schema=choices)

"""The routes of the REST API and what they document."""

from typing import Final

from libs.web.route import Answer, Api, Parameter, Route
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

_SECURITY: Final = ("uploadcare",)
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
_LIMIT: Final = Parameter(
    "limit", "query", "How many per page", schema={"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}
)
_FROM: Final = Parameter(
    "from", "query", "Begin with this time (ISO 8601), in the order asked for", schema={"type": "string", "maxLength": 100}
)


def _answers(success: dict[int, Answer], *errors: int) -> dict[int, Answer]:
    return {**success, **{status: Answer(_ERRORS[status], ErrorBody, CONTENT_TYPE) for status in (*_ALWAYS, *errors)}}


def _ordering(field: str) -> Parameter:
    return Parameter(
        "ordering", "query", "Oldest or newest first", schema={"type": "string", "enum": [field, f"-{field}"], "default": field}
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
            *_file_routes(Files(deps), FileList(deps)),
            Route(
                "POST", "/files/local_copy/", Copies(deps).create, "copy_file", "Copy a file within the project",
                _answers({201: Answer("The new file", CopyAnswer, CONTENT_TYPE)}, 404, 415),
                body=CopyRequest, parameters=(_ACCEPT,), security=_SECURITY,
            ),
            *_metadata_routes(MetadataFace(deps)),
            *_group_routes(Groups(deps)),
            *_webhook_routes(Webhooks(deps)),
            Route(
                "GET", "/project/", ProjectFace(deps).show, "get_project", "The project of these keys",
                _answers({200: Answer("The project", ProjectView, CONTENT_TYPE)}), parameters=(_ACCEPT,), security=_SECURITY,
            ),
        ],
    )  # fmt: skip


def _file_routes(files: Files, listing: FileList) -> list[Route]:
    one, many = "/files/{uuid}/", "/files/storage/"
    file = {200: Answer("The file", FileView, CONTENT_TYPE)}
    batch = {200: Answer("What was done, and for which files nothing could be", BatchAnswer, CONTENT_TYPE)}
    boolean = {"type": "boolean"}
    query = (
        _ACCEPT, _LIMIT, _FROM, _ordering("datetime_uploaded"),
        Parameter("removed", "query", "Removed files only, or none of them", schema={**boolean, "default": False}),
        Parameter("stored", "query", "Stored files only, or none of them", schema=boolean),
    )  # fmt: skip
    return [
        Route(
            "GET", "/files/", listing.show, "list_files", "Files, a page at a time",
            _answers({200: Answer("One page", FilePage, CONTENT_TYPE)}), parameters=query, security=_SECURITY,
        ),
        Route(
            "GET", one, files.show, "get_file", "One file", _answers(file, 404), parameters=(_ACCEPT,), security=_SECURITY,
        ),
        Route(
            "DELETE", one, files.delete, "remove_file", "Delete a file",
            _answers(file, 404), parameters=(_ACCEPT,), security=_SECURITY,
        ),
        Route(
            "PUT", f"{one}storage/", files.store, "store_file", "Keep a file for good",
            _answers(file, 404), parameters=(_ACCEPT,), security=_SECURITY,
        ),
        Route(
            "DELETE", f"{one}storage/", files.delete, "delete_file", "Delete a file",
            _answers(file, 404), parameters=(_ACCEPT,), security=_SECURITY,
        ),
        Route(
            "PUT", many, files.store_many, "store_files", "Keep up to 100 files for good",
            _answers(batch, 415), body=FileIds, parameters=(_ACCEPT,), security=_SECURITY,
        ),
        Route(
            "DELETE", many, files.delete_many, "delete_files", "Delete up to 100 files",
            _answers(batch, 415), body=FileIds, parameters=(_ACCEPT,), security=_SECURITY,
        ),
    ]  # fmt: skip


def _metadata_routes(metadata: MetadataFace) -> list[Route]:
    path = "/files/{uuid}/metadata/"
    value = Answer("The value", MetadataValue, CONTENT_TYPE)
    return [
        Route(
            "GET", path, metadata.show, "get_metadata", "All metadata of a file",
            _answers({200: Answer("Keys and values", Metadata, CONTENT_TYPE)}, 404), parameters=(_ACCEPT,), security=_SECURITY,
        ),
        Route(
            "GET", f"{path}{{key}}/", metadata.show_value, "get_metadata_value", "The value of one key",
            _answers({200: value}, 404), parameters=(_ACCEPT,), security=_SECURITY,
        ),
        Route(
            "PUT", f"{path}{{key}}/", metadata.put, "put_metadata_value", "Set the value of one key",
            _answers({200: value, 201: Answer("The value of a new key", MetadataValue, CONTENT_TYPE)}, 404, 415),
            body=MetadataValue, parameters=(_ACCEPT,), security=_SECURITY,
        ),
        Route(
            "DELETE", f"{path}{{key}}/", metadata.delete, "delete_metadata_value", "Delete one key",
            _answers({204: Answer("It is gone")}, 404), parameters=(_ACCEPT,), security=_SECURITY,
        ),
    ]  # fmt: skip


def _group_routes(groups: Groups) -> list[Route]:
    one = "/groups/{group_id}/"
    return [
        Route(
            "GET", "/groups/", groups.show_all, "list_groups", "Groups, a page at a time",
            _answers({200: Answer("One page", GroupPage, CONTENT_TYPE)}),
            parameters=(_ACCEPT, _LIMIT, _FROM, _ordering("datetime_created")), security=_SECURITY,
        ),
        Route(
            "GET", one, groups.show, "get_group", "One group with its files",
            _answers({200: Answer("The group", GroupView, CONTENT_TYPE)}, 404), parameters=(_ACCEPT,), security=_SECURITY,
        ),
        Route(
            "DELETE", one, groups.delete, "delete_group", "Delete a group; its files stay",
            _answers({204: Answer("It is gone")}, 404), parameters=(_ACCEPT,), security=_SECURITY,
        ),
    ]  # fmt: skip


def _webhook_routes(webhooks: Webhooks) -> list[Route]:
    path, one = "/webhooks/", "/webhooks/{hook_id}/"
    return [
        Route(
            "GET", path, webhooks.show_all, "list_webhooks", "All webhooks",
            _answers({200: Answer("The webhooks", HookList, CONTENT_TYPE)}), parameters=(_ACCEPT,), security=_SECURITY,
        ),
        Route(
            "POST", path, webhooks.create, "create_webhook", "Be told what becomes of files",
            _answers({201: Answer("The webhook", HookView, CONTENT_TYPE)}, 415),
            body=HookRequest, parameters=(_ACCEPT,), security=_SECURITY,
        ),
        Route(
            "PUT", one, webhooks.change, "update_webhook", "Change a webhook; what is not given stays",
            _answers({200: Answer("The webhook", HookView, CONTENT_TYPE)}, 404, 415),
            body=HookChange, parameters=(_ACCEPT,), security=_SECURITY,
        ),
        Route(
            "DELETE", one, webhooks.delete, "delete_webhook", "Delete a webhook",
            _answers({204: Answer("It is gone")}, 404), parameters=(_ACCEPT,), security=_SECURITY,
        ),
        Route(
            "DELETE", "/webhooks/unsubscribe/", webhooks.unsubscribe, "unsubscribe", "Delete all webhooks of an address",
            _answers({204: Answer("They are gone")}, 404, 415),
            body=Unsubscription, parameters=(_ACCEPT,), security=_SECURITY,
        ),
    ]  # fmt: skip

"""The routes of the json2video API and what they document."""

from libs.web.route import Answer, Api, Parameter, Route
from services.gateway.auth import HEADER
from services.gateway.deps import Deps
from services.gateway.dialects.json2video.errors import render_error
from services.gateway.dialects.json2video.file import Files
from services.gateway.dialects.json2video.folder import Folders
from services.gateway.dialects.json2video.schemas import (
    DeleteRequest,
    Done,
    ErrorBody,
    FileAnswer,
    FileCreated,
    FileRequest,
    FolderAnswer,
    FolderRequest,
    ListAnswer,
    MoveRequest,
    StorageAnswer,
    TreeAnswer,
)
from services.gateway.dialects.json2video.translate import DIALECT

_SECURITY = ("api_key",)
_READ = (400, 403)
_WRITE = (400, 403, 408, 413, 415)

_ERRORS = {
    400: "The request is not as documented",
    403: "Missing or invalid API key, insufficient permissions, or blocked storage",
    404: "Not found",
    408: "The body did not arrive in time",
    409: "The name is taken",
    413: "The file exceeds 500 MB, or the request 64 KiB",
    415: "The body is not `application/json`",
    500: "Unexpected server error",
    503: "Try again",
}

_LISTING = (
    Parameter("path", "query", "Folder to list; the root when it is not given"),
    Parameter("folder", "query", "Another name of `path`"),
    Parameter(
        "tree",
        "query",
        "`true`: all folders below with the sums of their files, and no files",
        schema={"type": "string", "enum": ["true", "false", "1", "0", ""]},
    ),
    Parameter("type", "query", "Only such files", schema={"type": "string", "enum": ["image", "video", "audio", "other"]}),
    Parameter("limit", "query", "Files per page", schema={"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}),
    Parameter("cursor", "query", "`next_cursor` of the page before"),
)


def _answers(success: Answer, *errors: int) -> dict[int, Answer]:
    return {200: success, **{status: Answer(_ERRORS[status], ErrorBody) for status in (*errors, 500, 503)}}


def api(deps: Deps) -> Api:
    return Api(
        name=DIALECT,
        title="json2video media",
        render_error=render_error,
        security_schemes={"api_key": {"type": "apiKey", "in": "header", "name": HEADER}},
        routes=[*_file_routes(Files(deps)), *_folder_routes(Folders(deps))],
    )


def _file_routes(files: Files) -> list[Route]:
    path = "/v2/media/file"
    return [
        Route(
            "POST", path, files.create, "create_file", "Request an upload URL",
            _answers(Answer("Where to PUT the file", FileCreated), *_WRITE, 409),
            body=FileRequest, security=_SECURITY,
        ),
        Route(
            "GET", path, files.show, "get_file", "One file",
            _answers(Answer("The file", FileAnswer), *_READ, 404), security=_SECURITY,
            parameters=(Parameter("path", "query", "Folder and name, e.g. `videos/clip.mp4`", required=True),),
        ),
        Route(
            "PUT", path, files.move, "move_file", "Move a file to another folder",
            _answers(Answer("It is there now", Done), *_WRITE, 404, 409),
            body=MoveRequest, security=_SECURITY,
        ),
        Route(
            "DELETE", path, files.delete, "delete_file", "Delete a file",
            _answers(Answer("It is gone", Done), *_WRITE, 404),
            body=DeleteRequest, security=_SECURITY,
        ),
    ]  # fmt: skip


def _folder_routes(folders: Folders) -> list[Route]:
    path = "/v2/media/folder"
    return [
        Route(
            "GET", "/v2/media", folders.storage, "get_storage", "Storage in use",
            _answers(Answer("The storage", StorageAnswer), *_READ), security=_SECURITY,
        ),
        Route(
            "POST", path, folders.create, "create_folder", "Create a folder",
            _answers(Answer("It exists; `message` says if it did before", FolderAnswer), *_WRITE),
            body=FolderRequest, security=_SECURITY,
        ),
        Route(
            "GET", path, folders.show, "list_folder", "Folders and files of a folder",
            _answers(Answer("With `tree`, folders only", ListAnswer, other_models=(TreeAnswer,)), *_READ, 404),
            parameters=_LISTING, security=_SECURITY,
        ),
        Route(
            "DELETE", path, folders.delete, "delete_folder", "Delete an empty folder",
            _answers(Answer("It is gone", Done), *_WRITE, 404),
            body=FolderRequest, security=_SECURITY,
        ),
    ]  # fmt: skip

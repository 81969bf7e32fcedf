"""File delivery: the addresses that eachlabs' `public_url`, json2video's `fileUrl` and renditions point at."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from uuid import UUID

from aiohttp import web

from contracts.events import Stage
from libs.object_store.port import ObjectStore
from libs.web.problem import CONTENT_TYPE, Problem, problem_error
from libs.web.route import Answer, Api, NotFoundError, Parameter
from libs.web.signed_link import PATH, LinkRefusedError, LinkSigner
from services.gateway.domain.served_file import ServedFile
from services.gateway.files.header import CORS
from services.gateway.files.lookup import FileLookup
from services.gateway.files.problem import public_problem
from services.gateway.files.published import Published, original_by_id, original_by_name, original_of_link, rendition
from services.gateway.files.readable import CONTENT, PROBLEMS, readable
from services.gateway.files.send import FileSender
from services.gateway.files.soon import NotYetError, soon

CLIENT_ID = "{client_id:c[a-z0-9]{11,31}}"

SIGNATURE = (
    Parameter("expires", "query", "When the link ends: seconds since 1970.", schema={"type": "integer"}),
    Parameter("signature", "query", "Over file and end."),
)
REFUSED = {
    400: Answer("The query cannot be read.", Problem, CONTENT_TYPE),
    403: Answer("The link is not one of this installation, or it has expired.", Problem, CONTENT_TYPE),
}

Clock = Callable[[], datetime]
Find = Callable[[], Awaitable[Published | None]]
"""Raises NotYetError."""


class FileDelivery:
    """One look-up, shared with all who ask at the same time, per request: what is deleted is gone for the next request."""

    def __init__(self, lookup: FileLookup, store: ObjectStore, sender: FileSender, links: LinkSigner, clock: Clock) -> None:
        self._lookup = lookup
        self._store = store
        self._sender = sender
        self._links = links
        self._clock = clock

    async def public(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["file_name"]
        return await self._send(request, lambda: original_by_id(self._lookup, name))

    async def named(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info
        return await self._send(request, lambda: original_by_name(self._lookup, path["client_id"], path["path"]))

    async def rendition(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info
        return await self._send(request, lambda: rendition(self._lookup, path["upload_id"], path["name"]))

    async def download(self, request: web.Request) -> web.StreamResponse:
        upload_id = request.match_info["upload_id"]
        try:
            ends_at = self._links.verify(UUID(upload_id), request.query, self._clock())
        except (LinkRefusedError, ValueError):
            return public_problem(403, LinkRefusedError.code, "The link is not valid, or not any more.")
        return await self._send(request, lambda: original_of_link(self._lookup, upload_id, ends_at))

    async def _send(self, request: web.Request, find: Find) -> web.StreamResponse:
        found = await soon(lambda: self._find(find))
        if found is None:
            raise NotFoundError("There is no such file.")
        return await self._sender.send(request, found)

    async def _find(self, find: Find) -> Published | None:
        """Raises NotYetError only where the bytes have come."""
        try:
            return await find()
        except NotYetError as error:
            if error.file.version < Stage.STORED and not await self._has_come(error.file):
                return None
            raise

    async def _has_come(self, file: ServedFile) -> bool:
        """Staged, or already where it stays: the gateway may have heard of neither."""
        stat = self._store.stat
        return await stat(file.staging_key) is not None or await stat(file.object_key) is not None


def api(delivery: FileDelivery) -> Api:
    address = partial(readable, answers={**CONTENT, **PROBLEMS})
    return Api(
        name="files",
        title="Published files",
        routes=[
            *address("/public/{file_name}", "public_file", "A published file by its id and extension", delivery.public),
            *address(f"/{CLIENT_ID}/files/{{path:.+}}", "named_file", "A file by its folder and name", delivery.named),
            *address("/renditions/{upload_id}/{name:.+}", "rendition", "A file made from an upload", delivery.rendition),
            *readable(
                f"{PATH}{{upload_id}}",
                "signed_download",
                "A file by a signed link",
                delivery.download,
                answers={**CONTENT, **PROBLEMS, **REFUSED},
                parameters=SIGNATURE,
            ),
        ],
        render_error=_render_error,
    )


def _render_error(request: web.Request, error: Exception) -> web.Response:
    response = problem_error(request, error)
    response.headers.update(CORS)
    response.headers["Cache-Control"] = "no-store"  # what is not there now may be in a moment
    return response

"""File delivery: the addresses that eachlabs' `public_url`, json2video's `fileUrl` and renditions point at."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final
from uuid import UUID

from aiohttp import web

from contracts.events import Stage
from libs.object_store.port import ObjectStore
from libs.postgres.database import Database
from libs.web.problem import CONTENT_TYPE, Problem, problem_error
from libs.web.route import Answer, Api, NotFoundError, Parameter
from libs.web.signed_link import PATH, PURPOSE, LinkRefusedError, LinkSigner
from services.gateway.deps import Clock, Deps
from services.gateway.domain.upload import Upload
from services.gateway.files.header import CORS
from services.gateway.files.problem import public_problem
from services.gateway.files.published import Published, original_by_id, original_by_name, original_of_link, rendition
from services.gateway.files.readable import CONTENT, PROBLEMS, readable
from services.gateway.files.send import send
from services.gateway.files.soon import NotYetError, soon
from services.gateway.store.upload import UploadStore

DATABASE_SECONDS: Final = 10
"""How long a request may wait for the database."""
CLIENT_ID = "{client_id:c[a-z0-9]{11,31}}"

SIGNATURE = (
    Parameter("expires", "query", "When the link ends: seconds since 1970.", schema={"type": "integer"}),
    Parameter("signature", "query", "Over file and end."),
)
REFUSED = {
    400: Answer("The query cannot be read.", Problem, CONTENT_TYPE),
    403: Answer("The link is not one of this installation, or it has expired.", Problem, CONTENT_TYPE),
}

Find = Callable[[UploadStore], Awaitable[Published | None]]
"""Raises NotYetError."""


class FileDelivery:
    """One indexed lookup and one stat per request: what is deleted is gone for the next request."""

    def __init__(self, database: Database, store: ObjectStore, links: LinkSigner, clock: Clock) -> None:
        self._database = database
        self._store = store
        self._links = links
        self._clock = clock

    async def public(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["file_name"]
        return await self._send(request, lambda uploads: original_by_id(uploads, name))

    async def named(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info
        return await self._send(request, lambda uploads: original_by_name(uploads, path["client_id"], path["path"]))

    async def rendition(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info
        return await self._send(request, lambda uploads: rendition(uploads, path["upload_id"], path["name"]))

    async def download(self, request: web.Request) -> web.StreamResponse:
        upload_id = request.match_info["upload_id"]
        try:
            self._links.verify(UUID(upload_id), request.query, self._clock())
        except (LinkRefusedError, ValueError):
            return public_problem(403, LinkRefusedError.code, "The link is not valid, or not any more.")
        return await self._send(request, lambda uploads: original_of_link(uploads, upload_id))

    async def _send(self, request: web.Request, find: Find) -> web.StreamResponse:
        found = await soon(lambda: self._find(find))
        if found is None:
            raise NotFoundError("There is no such file.")
        return await send(request, self._store, found)

    async def _find(self, find: Find) -> Published | None:
        """Raises NotYetError only where the bytes have come."""
        try:
            async with asyncio.timeout(DATABASE_SECONDS), self._database.connection() as connection:
                return await find(UploadStore(connection))
        except NotYetError as error:
            if error.upload.version < Stage.STORED and not await self._has_come(error.upload):
                return None
            raise

    async def _has_come(self, upload: Upload) -> bool:
        """Staged, or already where it stays: the gateway may have heard of neither."""
        stat = self._store.stat
        return await stat(upload.staging_key) is not None or await stat(upload.object_key) is not None


def api(deps: Deps) -> Api:
    links = LinkSigner(deps.base_url, deps.secrets_box.derived(PURPOSE))
    delivery = FileDelivery(deps.database, deps.objects, links, deps.clock)
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
    return response

"""File delivery: the addresses that eachlabs' `public_url`, json2video's `fileUrl` and renditions point at."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from libs.object_store.port import ObjectStore
from libs.postgres.database import Database
from libs.web.problem import CONTENT_TYPE, UNAVAILABLE, Problem, problem_error
from libs.web.route import Answer, Api, HttpHandler, NotFoundError, Parameter, Route
from services.gateway.deps import Deps
from services.gateway.files.header import CORS, PREFLIGHT
from services.gateway.files.published import Published, original_by_id, original_by_name, rendition
from services.gateway.files.send import send
from services.gateway.store.upload import UploadStore

DATABASE_SECONDS: Final = 10
"""How long a request may wait for the database."""
CLIENT_ID = "{client_id:c[a-z0-9]{11,31}}"

_CONDITIONS = tuple(
    Parameter(name, "header", text)
    for name, text in {
        "Range": "One range of bytes, e.g. `bytes=0-1023`; several at once are answered with the whole file.",
        "If-Range": "`Range` counts only while the file has this ETag or Last-Modified.",
        "If-None-Match": "ETags the client has.",
        "If-Modified-Since": "Age of the client's copy.",
    }.items()
)
_VALIDATORS = {"ETag": "Strong.", "Last-Modified": "When it was stored.", "Accept-Ranges": "`bytes`"}
_ANSWERS = {
    200: Answer("All of the file.", content_type="*/*", headers=_VALIDATORS),
    206: Answer("The range asked for.", content_type="*/*", headers={**_VALIDATORS, "Content-Range": "Which bytes these are."}),
    304: Answer("The client's copy is current.", headers=_VALIDATORS),
    404: Answer("Nothing is published here.", Problem, CONTENT_TYPE),
    412: Answer("The file is not the one named in If-Match or If-Unmodified-Since.", Problem, CONTENT_TYPE),
    416: Answer("No such bytes.", Problem, CONTENT_TYPE, {"Content-Range": "`bytes */<size>`"}),
    503: UNAVAILABLE,
}


class FileDelivery:
    """One indexed lookup and one stat per request: what is deleted is gone for the next request."""

    def __init__(self, database: Database, store: ObjectStore) -> None:
        self._database = database
        self._store = store

    async def public(self, request: web.Request) -> web.StreamResponse:
        async with self._uploads() as uploads:
            found = await original_by_id(uploads, request.match_info["file_name"])
        return await self._send(request, found)

    async def named(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info
        async with self._uploads() as uploads:
            found = await original_by_name(uploads, path["client_id"], path["path"])
        return await self._send(request, found)

    async def rendition(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info
        async with self._uploads() as uploads:
            found = await rendition(uploads, path["upload_id"], path["name"])
        return await self._send(request, found)

    @asynccontextmanager
    async def _uploads(self) -> AsyncIterator[UploadStore]:
        async with asyncio.timeout(DATABASE_SECONDS), self._database.connection() as connection:
            yield UploadStore(connection)

    async def _send(self, request: web.Request, found: Published | None) -> web.StreamResponse:
        if found is None:
            raise NotFoundError("There is no such file.")
        return await send(request, self._store, found)


def api(deps: Deps) -> Api:
    delivery = FileDelivery(deps.database, deps.objects)
    return Api(
        name="files",
        title="Published files",
        routes=[
            *_readable("/public/{file_name}", "public_file", "A published file by its id and extension", delivery.public),
            *_readable(f"/{CLIENT_ID}/files/{{path:.+}}", "named_file", "A file by its folder and name", delivery.named),
            *_readable("/renditions/{upload_id}/{name:.+}", "rendition", "A file made from an upload", delivery.rendition),
        ],
        render_error=_render_error,
    )


def _readable(path: str, operation: str, summary: str, handler: HttpHandler) -> list[Route]:
    """GET (and with it HEAD), and the OPTIONS that browsers ask before a cross-origin `Range`."""
    preflight = {
        204: Answer("What may be asked from other sites.", headers={"Access-Control-Allow-Methods": "Methods."}),
        404: Answer("No file can have this address.", Problem, CONTENT_TYPE),
    }
    return [
        Route("GET", path, handler, operation, summary, _ANSWERS, parameters=_CONDITIONS),
        Route("OPTIONS", path, _preflight, f"{operation}_options", "CORS preflight", preflight),
    ]


async def _preflight(_request: web.Request) -> web.StreamResponse:
    return web.Response(status=204, headers=PREFLIGHT)


def _render_error(request: web.Request, error: Exception) -> web.Response:
    response = problem_error(request, error)
    response.headers.update(CORS)
    return response

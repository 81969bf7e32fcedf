"""`/platform/v1`: uploads in canonical words."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Final
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel

from contracts.ids import TenantId, UploadId
from libs.postgres.database import Connection
from libs.web.problem import CONTENT_TYPE, UNAVAILABLE, Problem, problem, problem_error
from libs.web.request import parse_query
from libs.web.route import Answer, Api, NotFoundError, Parameter, Route
from libs.web.server import CLOSING
from services.gateway.auth import HEADER, Principal
from services.gateway.deps import Deps
from services.gateway.domain.error import InsufficientRoleError, UnknownKeyError
from services.gateway.domain.role import Permission
from services.gateway.domain.timeline import whole_timeline
from services.gateway.domain.upload import State
from services.gateway.platform.cursor import Cursor
from services.gateway.platform.schema import CanonicalState, ListQuery, UploadPage, UploadView, WaitQuery
from services.gateway.platform.store import ListingStore
from services.gateway.platform.translate import Translator
from services.gateway.store.upload import UploadStore

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LOOK_AGAIN_SECONDS: Final = 0.2
DATABASE_SECONDS: Final = 10
"""How long a request may wait for the database."""


class Uploads:
    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._translator = Translator(deps.base_url)

    async def show(self, request: web.Request) -> web.StreamResponse:
        principal = await self._principal(request)
        upload_id = _upload_id(request.match_info["upload_id"])
        query = parse_query(request, WaitQuery)
        if query.wait_version is not None:
            closing = request.app[CLOSING]
            await self._changed(principal.tenant_id, upload_id, query.wait_version, query.wait_seconds, closing)
        async with self._connection() as connection:
            uploads = UploadStore(connection)
            upload = await uploads.find_of_tenant(principal.tenant_id, upload_id)
            if upload is None:
                raise NotFoundError("There is no such upload.")
            deliveries = await uploads.deliveries(upload_id)
            timeline = whole_timeline(upload, await uploads.timeline(upload_id))
        return _json(self._translator.upload(upload, principal.client_id, deliveries, timeline))

    async def list(self, request: web.Request) -> web.StreamResponse:
        principal = await self._principal(request)
        query = parse_query(request, ListQuery)
        before = Cursor.parse(query.cursor) if query.cursor else None
        async with self._connection() as connection:
            found = await ListingStore(connection).newest(
                principal.tenant_id,
                states=_states(query.state),
                given_up=query.state is CanonicalState.DELETED,
                dialect=query.dialect,
                before=(before.created_at, before.id) if before else None,
                limit=query.limit + 1,
            )
        shown = found[: query.limit]
        more = str(Cursor(shown[-1].created_at, shown[-1].id)) if len(found) > query.limit else None
        summaries = [self._translator.summary(upload, principal.client_id) for upload in shown]
        return _json(UploadPage(uploads=summaries, next_cursor=more))

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.database.connection() as connection:
            yield connection

    async def _principal(self, request: web.Request) -> Principal:
        return await self._deps.auth.principal(request.headers, Permission.READ)

    async def _changed(
        self, tenant_id: TenantId, upload_id: UploadId, known_version: int, seconds: float, closing: asyncio.Event
    ) -> None:
        """Returns when the upload is past `known_version`, is not there, the time is over, or the server stops."""
        end = monotonic() + seconds
        while True:
            async with self._connection() as connection:
                version = await ListingStore(connection).version(tenant_id, upload_id)
            left = end - monotonic()
            if version is None or version > known_version or left <= 0 or closing.is_set():
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(closing.wait(), min(_LOOK_AGAIN_SECONDS, left))


def api(deps: Deps) -> Api:
    uploads = Uploads(deps)
    refused = {
        400: Answer("A parameter is not as documented.", Problem, CONTENT_TYPE),
        401: Answer("No valid API key.", Problem, CONTENT_TYPE, {"WWW-Authenticate": "`ApiKey`"}),
        503: UNAVAILABLE,
    }
    return Api(
        name="platform",
        title="Longshore's own API",
        routes=[
            Route(
                "GET",
                "/platform/v1/uploads",
                uploads.list,
                "list_uploads",
                "Uploads, newest first",
                {200: Answer("One page.", UploadPage), **refused},
                parameters=_LIST_PARAMETERS,
                security=("api_key",),
            ),
            Route(
                "GET",
                "/platform/v1/uploads/{upload_id}",
                uploads.show,
                "get_upload",
                "One upload with its renditions, deliveries and timeline",
                {200: Answer("The upload.", UploadView), 404: Answer("No such upload.", Problem, CONTENT_TYPE), **refused},
                parameters=_SHOW_PARAMETERS,
                security=("api_key",),
            ),
        ],
        render_error=_render_error,
        security_schemes={"api_key": {"type": "apiKey", "in": "header", "name": HEADER}},
    )


def _property(model: type[BaseModel], name: str) -> dict[str, object]:
    """JSON Schema of one field without references, for a parameter."""
    schema = model.model_json_schema()
    found: dict[str, object] = schema["properties"][name]
    if isinstance(choices := found.get("anyOf"), list):
        found = next(choice for choice in choices if choice.get("type") != "null")
    if isinstance(reference := found.get("$ref"), str):
        found = schema["$defs"][reference.rpartition("/")[2]]
    return {key: value for key, value in found.items() if key not in ("title", "description", "default")}


_LIST_PARAMETERS = (
    Parameter("state", "query", "Only uploads in this state.", schema=_property(ListQuery, "state")),
    Parameter("dialect", "query", "Only uploads that came through this API.", schema=_property(ListQuery, "dialect")),
    Parameter("limit", "query", "How many at most; 20 where not given.", schema=_property(ListQuery, "limit")),
    Parameter("cursor", "query", "`next_cursor` of the page before.", schema=_property(ListQuery, "cursor")),
)
_SHOW_PARAMETERS = (
    Parameter("upload_id", "path", "As answered at its registration.", True, {"type": "string", "format": "uuid"}),
    Parameter(
        "wait_version", "query", "Answer when the upload is past this version.", schema=_property(WaitQuery, "wait_version")
    ),
    Parameter("wait_seconds", "query", "…or after this time, 20 where not given.", schema=_property(WaitQuery, "wait_seconds")),
)


def _states(asked: CanonicalState | None) -> list[State] | None:
    match asked:
        case None:
            return None
        case CanonicalState.EXPIRED:
            return [State.EXPIRED, State.FILE_EXPIRED]
        case _:
            return [State(asked.value)]


def _upload_id(text: str) -> UploadId:
    if _UUID.fullmatch(text) is None:
        raise NotFoundError("There is no such upload.")
    return UploadId(UUID(text))


def _json(view: BaseModel) -> web.Response:
    return web.Response(
        body=view.model_dump_json().encode(), content_type="application/json", headers={"Cache-Control": "no-store"}
    )


def _render_error(request: web.Request, error: Exception) -> web.Response:
    if isinstance(error, UnknownKeyError):
        response = problem(401, error.code, "The X-API-Key header holds no valid API key.")
        response.headers["WWW-Authenticate"] = "ApiKey"
        return response
    if isinstance(error, InsufficientRoleError):
        return problem(403, error.code, error.message)
    return problem_error(request, error)

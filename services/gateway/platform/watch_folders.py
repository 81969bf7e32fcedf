"""`/platform/v1/watch-folders`: an operator names places whose files become uploads of a tenant."""

from datetime import UTC
from typing import Final

from aiohttp import web

from contracts.ids import TenantId, new_id
from libs.postgres.database import Connection
from libs.web.problem import CONTENT_TYPE, Problem
from libs.web.request import parse_query, read_json
from libs.web.route import Answer, Api, HttpError, NotFoundError, Route
from services.gateway.deps import Deps
from services.gateway.domain.container import ContainerId, LinkedContainer, WatchFolder, WatchFolderId
from services.gateway.domain.error import InvalidFieldError
from services.gateway.platform.container_schema import WatchFolderPage, WatchFolderRequest, WatchFolderView
from services.gateway.platform.cursor import Cursor
from services.gateway.platform.operated import (
    MALFORMED,
    PAGING,
    REFUSED,
    SECURITY,
    SECURITY_SCHEMES,
    UNREADABLE,
    PageQuery,
    answer,
    changing,
    id_in_path,
    reading,
    render_error,
    tenant_of,
)
from services.gateway.store import ContainerStore, WatchFolderStore
from services.gateway.usecases.watch_folder import add_watch_folder, remove_watch_folder

PATH: Final = "/platform/v1/watch-folders"


class WatchFoldersOverlapError(HttpError):
    """Each file of both would become two uploads."""

    code = "watch_folders_overlap"
    status = 409


class WatchFolderAdministration:
    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    async def add(self, request: web.Request) -> web.StreamResponse:
        await self._deps.operators.require(request.headers)
        body = await read_json(request, WatchFolderRequest)
        async with changing(self._deps) as work:
            tenant_id = await tenant_of(work.connection, body.tenant_id)
            container = await _container(work.connection, tenant_id, body)
            folder = WatchFolder(
                id=WatchFolderId(new_id()),
                tenant_id=tenant_id,
                kind=body.kind,
                name=body.name,
                path=body.path,
                container_id=container.id if container else None,
                prefix=body.prefix if container else None,
                on_success=body.on_success,
                created_at=self._deps.clock().astimezone(UTC),
            )
            if await WatchFolderStore(work.connection).has_overlapping(folder, container.place if container else ""):
                raise WatchFoldersOverlapError("Another watch folder has this place, or a part of it.")
            await add_watch_folder(work, self._deps.secrets_box, folder, container)
        return answer(WatchFolderView.of(folder), status=201)

    async def list(self, request: web.Request) -> web.StreamResponse:
        await self._deps.operators.require(request.headers)
        query = parse_query(request, PageQuery)
        before = query.before
        async with reading(self._deps) as connection:
            tenant_id = await tenant_of(connection, query.tenant_id) if query.tenant_id else None
            found = await WatchFolderStore(connection).newest(
                tenant_id, before=(before.created_at, before.id) if before else None, limit=query.limit + 1
            )
        page = found[: query.limit]
        more = str(Cursor(page[-1].created_at, page[-1].id)) if len(found) > query.limit else None
        return answer(WatchFolderPage(watch_folders=[WatchFolderView.of(folder) for folder in page], next_cursor=more))

    async def show(self, request: web.Request) -> web.StreamResponse:
        await self._deps.operators.require(request.headers)
        async with reading(self._deps) as connection:
            folder = await _found(connection, request)
        return answer(WatchFolderView.of(folder))

    async def remove(self, request: web.Request) -> web.StreamResponse:
        await self._deps.operators.require(request.headers)
        async with changing(self._deps) as work:
            folder = await _found(work.connection, request)
            await remove_watch_folder(work, self._deps.secrets_box, folder)
        return web.Response(status=204)


async def _found(connection: Connection, request: web.Request) -> WatchFolder:
    """Raises NotFoundError."""
    folder_id = WatchFolderId(id_in_path(request, "watch_folder_id", "watch folder"))
    folder = await WatchFolderStore(connection).find(folder_id)
    if folder is None:
        raise NotFoundError("There is no such watch folder.")
    return folder


async def _container(connection: Connection, tenant_id: TenantId, body: WatchFolderRequest) -> LinkedContainer | None:
    """None for a directory. Raises InvalidFieldError."""
    if body.container_id is None:
        return None
    container = await ContainerStore(connection).find(ContainerId(body.container_id))
    if container is None or container.tenant_id != tenant_id:
        raise InvalidFieldError("container_id", "The tenant has no such container.")
    return container


def api(deps: Deps) -> Api:
    folders = WatchFolderAdministration(deps)
    missing = {404: Answer("No such watch folder.", Problem, CONTENT_TYPE)}
    overlapping = {409: Answer("Another watch folder has this place, or a part of it.", Problem, CONTENT_TYPE)}
    one = f"{PATH}/{{watch_folder_id}}"
    return Api(
        name="watch-folders",
        title="Watch folders, for operators",
        routes=[
            Route(
                "POST", PATH, folders.add, "add_watch_folder", "Watch a directory, or a bucket below a prefix",
                {201: Answer("The watch folder.", WatchFolderView), **overlapping, **MALFORMED, **UNREADABLE, **REFUSED},
                body=WatchFolderRequest, security=SECURITY,
            ),
            Route(
                "GET", PATH, folders.list, "list_watch_folders", "Watch folders, newest first",
                {200: Answer("One page.", WatchFolderPage), **MALFORMED, **REFUSED}, security=SECURITY, parameters=PAGING,
            ),
            Route(
                "GET", one, folders.show, "get_watch_folder", "One watch folder",
                {200: Answer("The watch folder.", WatchFolderView), **missing, **REFUSED}, security=SECURITY,
            ),
            Route(
                "DELETE", one, folders.remove, "remove_watch_folder", "Watch it no longer; files that were found stay uploads",
                {204: Answer("Nothing more is taken from it."), **missing, **REFUSED}, security=SECURITY,
            ),
        ],
        render_error=render_error,
        security_schemes=SECURITY_SCHEMES,
    )  # fmt: skip

"""`/api/folders`: the one tree of folders, by number; 0 is the root."""

import asyncio
from typing import Annotated, Final
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel, Field

from contracts.ids import TenantId, UploadId
from libs.postgres.database import Connection
from libs.web.request import parse_query
from services.gateway.deps import Deps
from services.gateway.dialects.medialab.answer import answer
from services.gateway.dialects.medialab.caller import Callers
from services.gateway.dialects.medialab.schemas import ContentsView, FolderCreated, FolderRequest, FolderView
from services.gateway.dialects.medialab.translate import DIALECT, to_view
from services.gateway.domain.error import FolderNotFoundError, InvalidFieldError
from services.gateway.store import FolderStore, NumberedFolderStore, UploadStore
from services.gateway.store.numbered_folder import NumberedFolder
from services.gateway.usecases.numbered_folder import create_numbered_folder

DATABASE_SECONDS: Final = 10
"""After that the answer is 503: whatever was asked may or may not have happened."""
MAX_PAGE: Final = 1000


class ContentsQuery(BaseModel):
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 100
    cursor: UUID | None = None


class Folders:
    def __init__(self, deps: Deps, callers: Callers) -> None:
        self._deps = deps
        self._callers = callers

    async def create(self, request: web.Request) -> web.Response:
        principal, params = await self._callers.caller_and_params(request)
        parent = _number(request)
        asked = params.parse(FolderRequest)
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.outbox.unit_of_work() as work:
            folder = await create_numbered_folder(work, principal.tenant_id, parent, asked.name)
        return answer(FolderCreated(folder_id=folder.number, name=folder.title, parent_id=parent))

    async def show(self, request: web.Request) -> web.Response:
        principal = await self._callers.caller(request)
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.database.connection() as connection:
            folder = await _find(connection, principal.tenant_id, _number(request))
            parent = await _parent(connection, principal.tenant_id, folder)
        return answer(_view(folder, parent))

    async def contents(self, request: web.Request) -> web.Response:
        principal = await self._callers.caller(request)
        query, number = parse_query(request, ContentsQuery), _number(request)
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.database.connection() as connection:
            folder = await _find(connection, principal.tenant_id, number)
            return answer(await _contents(connection, principal.tenant_id, folder, query))


async def _contents(connection: Connection, tenant_id: TenantId, folder: NumberedFolder, query: ContentsQuery) -> ContentsView:
    store, after = NumberedFolderStore(connection), None
    if query.cursor is not None:
        after = await UploadStore(connection).find_of_tenant(tenant_id, UploadId(query.cursor), dialect=DIALECT)
        if after is None:
            raise InvalidFieldError("cursor", "cursor is none that was handed out")
    names = [] if after else await FolderStore(connection).children(tenant_id, folder.path)
    children = await store.numbered(tenant_id, [f"{folder.path}/{name}".lstrip("/") for name in names])
    files = await store.files(tenant_id, folder.path, after=after, limit=query.limit + 1)
    page = files[: query.limit]
    return ContentsView(
        folder_id=folder.number,
        folders=[_view(child, folder.number) for child in children],
        files=[to_view(upload, folder.number) for upload in page],
        next_cursor=page[-1].id if len(files) > query.limit else None,
    )


async def _find(connection: Connection, tenant_id: TenantId, number: int) -> NumberedFolder:
    folder = await NumberedFolderStore(connection).find(tenant_id, number)
    if folder is None:
        raise FolderNotFoundError
    return folder


async def _parent(connection: Connection, tenant_id: TenantId, folder: NumberedFolder) -> int | None:
    """None: the root has none."""
    if not folder.path:
        return None
    [parent] = await NumberedFolderStore(connection).numbered(tenant_id, [folder.path.rpartition("/")[0]])
    return parent.number


def _view(folder: NumberedFolder, parent: int | None) -> FolderView:
    return FolderView(folder_id=folder.number, name=folder.title, parent_id=parent)


def _number(request: web.Request) -> int:
    """Raises FolderNotFoundError."""
    text = request.match_info["folder_id"]
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise FolderNotFoundError
    return int(text)

"""`/v2/media` and `/v2/media/folder`: storage in use, and folders."""

import asyncio
from typing import Final

from aiohttp import web

from contracts.ids import TenantId
from libs.postgres.database import Connection
from libs.web.request import parse_query, read_json
from services.gateway.auth import Principal
from services.gateway.deps import Deps
from services.gateway.dialects.json2video.schemas import (
    Done,
    FolderAnswer,
    FolderEntry,
    FolderRequest,
    FolderStatsView,
    ListAnswer,
    ListQuery,
    Storage,
    StorageAnswer,
    TreeAnswer,
)
from services.gateway.dialects.json2video.translate import shown, timestamp, to_view
from services.gateway.domain.error import FolderNotFoundError, InvalidFieldError, ReservedFolderError
from services.gateway.domain.name import TEMPORARY_FOLDER, folder_path
from services.gateway.domain.role import Permission
from services.gateway.store import FolderStore, TenantStore, UploadStore, UsageStore
from services.gateway.usecases.folder import create_folder, delete_folder

DATABASE_SECONDS: Final = 10
"""After that the answer is 503: whatever was asked may or may not have happened."""


class Folders:
    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    async def storage(self, request: web.Request) -> web.Response:
        limits = self._deps.limits
        principal = await self._deps.auth.principal(request.headers, Permission.READ)
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.database.connection() as connection:
            used_bytes = await UsageStore(connection).used_bytes(principal.tenant_id)
            blocked_at = await TenantStore(connection).storage_blocked_at(principal.tenant_id)
        storage = Storage(
            used_bytes=used_bytes,
            free_allowance=limits.free_allowance_bytes,
            credits_per_week=limits.credits_per_week,
            blocked=blocked_at is not None,
            blocked_at=timestamp(blocked_at) if blocked_at else None,
        )
        return web.json_response(text=StorageAnswer(storage=storage).model_dump_json())

    async def create(self, request: web.Request) -> web.Response:
        principal = await self._deps.auth.principal(request.headers, Permission.UPLOAD)
        path = folder_path((await read_json(request, FolderRequest)).folder)
        if not path:
            raise InvalidFieldError("folder", "Invalid folder name")
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.outbox.unit_of_work() as work:
            created = await create_folder(work, principal.tenant_id, path)
        answer = FolderAnswer(timestamp=timestamp(self._deps.clock()), message=None if created else "Folder already exists")
        return web.json_response(text=answer.model_dump_json(exclude_none=True))

    async def delete(self, request: web.Request) -> web.Response:
        principal = await self._deps.auth.principal(request.headers, Permission.MODIFY)
        path = folder_path((await read_json(request, FolderRequest)).folder)
        if not path:
            raise ReservedFolderError("Cannot delete root folder")
        if path == TEMPORARY_FOLDER:
            raise ReservedFolderError("Cannot delete the temp folder")
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.outbox.unit_of_work() as work:
            await delete_folder(work, principal.tenant_id, path)
        return web.json_response(text=Done(message="Folder deleted").model_dump_json())

    async def show(self, request: web.Request) -> web.Response:
        principal = await self._deps.auth.principal(request.headers, Permission.READ)
        query = parse_query(request, ListQuery)
        path = folder_path(query.path or query.folder or "")
        answer: TreeAnswer | ListAnswer
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.database.connection() as connection:
            if path not in ("", TEMPORARY_FOLDER) and not await FolderStore(connection).exists(principal.tenant_id, path):
                raise FolderNotFoundError
            if query.wants_tree:
                answer = await _tree(connection, principal.tenant_id, path)
            else:
                answer = await self._page(connection, principal, path, query)
        return web.json_response(text=answer.model_dump_json(by_alias=True))

    async def _page(self, connection: Connection, principal: Principal, path: str, query: ListQuery) -> ListAnswer:
        """One page of files; the folders come with the first."""
        folders = [] if query.cursor else await FolderStore(connection).children(principal.tenant_id, path)
        uploads = await UploadStore(connection).list_folder(
            principal.tenant_id, path, kind=query.type, after=query.cursor, limit=query.limit + 1
        )
        page = uploads[: query.limit]
        return ListAnswer(
            folder=shown(path),
            folders=[FolderEntry(name=name, path=f"{path}/{name}".lstrip("/")) for name in folders],
            files=[to_view(upload, self._deps.base_url, principal.client_id) for upload in page],
            next_cursor=page[-1].name if len(uploads) > query.limit else None,
        )


async def _tree(connection: Connection, tenant_id: TenantId, path: str) -> TreeAnswer:
    return TreeAnswer(
        folder=shown(path),
        folders=[
            FolderStatsView(
                name=found.path.rpartition("/")[2],
                path=shown(found.path),
                files=found.file_count,
                size=found.total_bytes,
            )
            for found in await FolderStore(connection).below(tenant_id, path)
        ],
    )

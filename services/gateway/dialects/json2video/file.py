"""`/v2/media/file`: one file."""

import asyncio
from typing import Final

from aiohttp import web

from libs.web.request import parse_query, read_json
from services.gateway.deps import Deps
from services.gateway.dialects.json2video.schemas import (
    DeleteRequest,
    Done,
    FileAnswer,
    FileCreated,
    FileRequest,
    MoveRequest,
    PathQuery,
)
from services.gateway.dialects.json2video.translate import to_registration, to_view
from services.gateway.domain.error import InvalidFieldError, UploadNotFoundError
from services.gateway.domain.name import file_name, file_url, folder_path, split_path
from services.gateway.domain.role import Permission
from services.gateway.store import UploadStore
from services.gateway.usecases.delete import delete_upload
from services.gateway.usecases.move import move_file
from services.gateway.usecases.release import find_dead

DATABASE_SECONDS: Final = 10
"""After that the answer is 503: whatever was asked may or may not have happened."""


class Files:
    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    async def create(self, request: web.Request) -> web.Response:
        deps = self._deps
        principal = await deps.auth.principal(request.headers, Permission.UPLOAD)
        body = await read_json(request, FileRequest)
        new = to_registration(body, principal, deps, deps.clock())
        upload_url = deps.objects.presign_put(
            new.staging_key,
            expires_in=deps.limits.json2video_url,
            headers={"Content-Type": new.content_type},
            content_length=new.size_bytes,
            now=new.registered_at,
        )
        await deps.registrar.register(new)
        created = FileCreated(
            upload_url=upload_url,
            file_url=file_url(deps.base_url, principal.client_id, new.folder, new.name or ""),
            expires_in=int(deps.limits.json2video_url.total_seconds()),
        )
        return web.json_response(text=created.model_dump_json(by_alias=True))

    async def show(self, request: web.Request) -> web.Response:
        principal = await self._deps.auth.principal(request.headers, Permission.READ)
        path = parse_query(request, PathQuery).path
        if not path.strip("/"):
            raise InvalidFieldError("path", "path is required")
        folder, name = split_path(path)
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.database.connection() as connection:
            upload = await UploadStore(connection).find_by_name(principal.tenant_id, folder, name)
        if upload is None:
            raise UploadNotFoundError
        answer = FileAnswer(file=to_view(upload, self._deps.base_url, principal.client_id))
        return web.json_response(text=answer.model_dump_json(by_alias=True))

    async def move(self, request: web.Request) -> web.Response:
        principal = await self._deps.auth.principal(request.headers, Permission.MODIFY)
        body = await read_json(request, MoveRequest)
        name, folder, destination = file_name(body.name), folder_path(body.folder or ""), folder_path(body.destination)
        deps, tenant_id, now = self._deps, principal.tenant_id, self._deps.clock()
        async with asyncio.timeout(DATABASE_SECONDS):
            dead = await find_dead(deps.outbox, deps.objects, tenant_id, folder=destination, name=name, now=now)
            async with deps.outbox.unit_of_work() as work:
                await move_file(
                    work,
                    tenant_id,
                    folder=folder,
                    name=name,
                    destination=destination,
                    replaces=dead,
                    now=now,
                    temporary_for=deps.limits.temporary,
                )
        return web.json_response(text=Done(message="File moved").model_dump_json())

    async def delete(self, request: web.Request) -> web.Response:
        principal = await self._deps.auth.principal(request.headers, Permission.MODIFY)
        body = await read_json(request, DeleteRequest)
        name, folder = file_name(body.name), folder_path(body.folder or "")
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.outbox.unit_of_work() as work:
            upload = await UploadStore(work.connection).find_by_name(principal.tenant_id, folder, name, lock=True)
            if upload is None:
                raise UploadNotFoundError
            await delete_upload(upload, work, self._deps.clock(), while_busy=True)
        return web.json_response(text=Done(message="File deleted").model_dump_json())

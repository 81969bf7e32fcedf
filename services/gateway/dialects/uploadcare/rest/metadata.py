"""`/files/{uuid}/metadata/`: keys and values that belong to a file."""

import asyncio

from aiohttp import web

from libs.outbox.unit_of_work import UnitOfWork
from services.gateway.deps import Deps
from services.gateway.dialects.uploadcare.errors import UploadcareError
from services.gateway.dialects.uploadcare.metadata import MAX_KEYS, check_key, check_value
from services.gateway.dialects.uploadcare.rest.answer import DATABASE_SECONDS, answer, nothing
from services.gateway.dialects.uploadcare.rest.auth import Gate
from services.gateway.dialects.uploadcare.rest.errors import MissingError
from services.gateway.dialects.uploadcare.rest.found_file import find_file
from services.gateway.dialects.uploadcare.rest.news import announcer
from services.gateway.dialects.uploadcare.rest.request import parsed
from services.gateway.dialects.uploadcare.rest.schemas import Metadata, MetadataValue
from services.gateway.dialects.uploadcare.rest.translate import timestamp
from services.gateway.domain.upload import Upload
from services.gateway.domain.webhook import News
from services.gateway.store import HookStore, ProjectUploadStore
from services.gateway.usecases.news import Occasion


class MetadataFace:
    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._gate = Gate(deps)
        self._announcer = announcer(deps.base_url)

    async def show(self, request: web.Request) -> web.Response:
        return answer(Metadata(await self._read(request)))

    async def show_value(self, request: web.Request) -> web.Response:
        value = (await self._read(request)).get(request.match_info["key"])
        if value is None:
            raise MissingError
        return answer(MetadataValue(value))

    async def put(self, request: web.Request) -> web.Response:
        call = await self._gate.admit(request)
        key, value = request.match_info["key"], parsed(request, call.body, MetadataValue).root
        check_key(key)
        check_value(key, value)
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.outbox.unit_of_work() as work:
            upload = await find_file(request, self._deps, call.project, work.connection, lock=True)
            if key not in upload.metadata and len(upload.metadata) >= MAX_KEYS:
                raise UploadcareError("FileMetadataKeysNumberTooBigError", MAX_KEYS)
            await self._describe(upload, {**upload.metadata, key: value}, work)
        return answer(MetadataValue(value), 200 if key in upload.metadata else 201)

    async def delete(self, request: web.Request) -> web.Response:
        project = (await self._gate.admit(request)).project
        key = request.match_info["key"]
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.outbox.unit_of_work() as work:
            upload = await find_file(request, self._deps, project, work.connection, lock=True)
            if key not in upload.metadata:
                raise MissingError
            await self._describe(upload, {name: value for name, value in upload.metadata.items() if name != key}, work)
        return nothing()

    async def _read(self, request: web.Request) -> dict[str, str]:
        project = (await self._gate.admit(request)).project
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.database.connection() as connection:
            return (await find_file(request, self._deps, project, connection)).metadata

    async def _describe(self, upload: Upload, metadata: dict[str, str], work: UnitOfWork) -> None:
        if metadata == upload.metadata or upload.project_id is None:
            return
        now = self._deps.clock()
        changed = await ProjectUploadStore(work.connection).describe(upload.id, metadata, now)
        hooks = await HookStore(work.connection).listening(upload.project_id, [News.INFO_UPDATED])
        occasion = Occasion(change=timestamp(now), previous_values={"metadata": upload.metadata})
        self._announcer.tell(changed, hooks, work, occasion)

"""`/files/{uuid}/metadata/`: keys and values that belong to a file."""

import asyncio
import re
from typing import Final

from aiohttp import web

from libs.outbox.unit_of_work import UnitOfWork
from libs.web.route import HttpError
from services.gateway.deps import Deps
from services.gateway.dialects.uploadcare.rest.answer import DATABASE_SECONDS, answer, nothing
from services.gateway.dialects.uploadcare.rest.auth import Gate
from services.gateway.dialects.uploadcare.rest.errors import MissingError
from services.gateway.dialects.uploadcare.rest.news import announcer
from services.gateway.dialects.uploadcare.rest.request import parsed
from services.gateway.dialects.uploadcare.rest.schemas import Metadata, MetadataValue
from services.gateway.dialects.uploadcare.rest.translate import file_id, timestamp
from services.gateway.domain.project import Project
from services.gateway.domain.upload import Upload
from services.gateway.domain.webhook import News
from services.gateway.store import HookStore, ProjectFileStore
from services.gateway.usecases.news import Occasion

MAX_KEYS: Final = 50
_KEY: Final = re.compile(r"[-_.:A-Za-z0-9]{1,64}")


class MetadataFace:
    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._gate = Gate(deps)
        self._announcer = announcer(deps.base_url)

    async def show(self, request: web.Request) -> web.Response:
        return answer(Metadata((await self._read(request)).metadata))

    async def show_value(self, request: web.Request) -> web.Response:
        value = (await self._read(request)).metadata.get(_key(request))
        if value is None:
            raise MissingError
        return answer(MetadataValue(value))

    async def put(self, request: web.Request) -> web.Response:
        call = await self._gate.admit(request)
        key, value = _key(request), parsed(request, call.body, MetadataValue)
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.outbox.unit_of_work() as work:
            upload = await _find(request, call.project, work, lock=True)
            if key not in upload.metadata and len(upload.metadata) >= MAX_KEYS:
                raise HttpError(f"A file can not have more than {MAX_KEYS} metadata keys.")
            await self._describe(upload, {**upload.metadata, key: value.root}, work)
        return answer(value, 200 if key in upload.metadata else 201)

    async def delete(self, request: web.Request) -> web.Response:
        project = (await self._gate.admit(request)).project
        key = _key(request)
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.outbox.unit_of_work() as work:
            upload = await _find(request, project, work, lock=True)
            if key not in upload.metadata:
                raise MissingError
            await self._describe(upload, {name: value for name, value in upload.metadata.items() if name != key}, work)
        return nothing()

    async def _read(self, request: web.Request) -> Upload:
        project = (await self._gate.admit(request)).project
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.outbox.unit_of_work() as work:
            return await _find(request, project, work, lock=False)

    async def _describe(self, upload: Upload, metadata: dict[str, str], work: UnitOfWork) -> None:
        if metadata == upload.metadata or upload.project_id is None:
            return
        now = self._deps.clock()
        changed = await ProjectFileStore(work.connection).describe(upload.id, metadata, now)
        hooks = await HookStore(work.connection).listening(upload.project_id, [News.INFO_UPDATED])
        occasion = Occasion(change=timestamp(now), previous_values={"metadata": upload.metadata})
        self._announcer.tell(changed, hooks, work, occasion)


async def _find(request: web.Request, project: Project, work: UnitOfWork, *, lock: bool) -> Upload:
    """Raises MissingError."""
    upload_id = file_id(request.match_info["uuid"])
    found = await ProjectFileStore(work.connection).find(project.id, [upload_id], lock=lock) if upload_id else {}
    upload = found.get(upload_id) if upload_id else None
    if upload is None or upload.removed:
        raise MissingError
    return upload


def _key(request: web.Request) -> str:
    """Raises HttpError."""
    key = request.match_info["key"]
    if _KEY.fullmatch(key) is None:
        raise HttpError("A metadata key has 1 to 64 of the characters A-Z, a-z, 0-9, `-`, `_`, `.` and `:`.")
    return key

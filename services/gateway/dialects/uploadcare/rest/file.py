"""`/files/`: one file, or many at once."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from aiohttp import web

from contracts.ids import UploadId
from libs.outbox.unit_of_work import UnitOfWork
from libs.web.route import HttpError
from services.gateway.deps import Deps
from services.gateway.dialects.uploadcare.found_file import is_there
from services.gateway.dialects.uploadcare.params import to_uuid
from services.gateway.dialects.uploadcare.rest.answer import DATABASE_SECONDS, answer
from services.gateway.dialects.uploadcare.rest.auth import Gate
from services.gateway.dialects.uploadcare.rest.found_file import find_any_file, find_file
from services.gateway.dialects.uploadcare.rest.news import announcer
from services.gateway.dialects.uploadcare.rest.request import parsed
from services.gateway.dialects.uploadcare.rest.schemas import BatchAnswer, FileIds
from services.gateway.dialects.uploadcare.rest.translate import to_view
from services.gateway.domain.project import Project
from services.gateway.domain.upload import Upload
from services.gateway.domain.webhook import News
from services.gateway.store import HookStore, ProjectUploadStore
from services.gateway.usecases.delete import delete_upload
from services.gateway.usecases.keep import keep_file
from services.gateway.usecases.news import Occasion

MAX_BATCH: Final = 100

Change = Callable[[Sequence[Upload], Project, UnitOfWork], Coroutine[Any, Any, list[Upload]]]
"""Does something to files of a project, which are locked; answers them as they are then."""


class Files:
    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._gate = Gate(deps)
        self._announcer = announcer(deps.base_url)

    async def show(self, request: web.Request) -> web.Response:
        project = (await self._gate.admit(request)).project
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.database.connection() as connection:
            upload = await find_any_file(request, self._deps, project, connection)
        return answer(to_view(upload, self._deps.base_url))

    async def store(self, request: web.Request) -> web.Response:
        return await self._change_one(request, self._store)

    async def delete(self, request: web.Request) -> web.Response:
        return await self._change_one(request, self._delete)

    async def store_many(self, request: web.Request) -> web.Response:
        return await self._change_many(request, self._store)

    async def delete_many(self, request: web.Request) -> web.Response:
        return await self._change_many(request, self._delete)

    async def _change_one(self, request: web.Request, change: Change) -> web.Response:
        project = (await self._gate.admit(request)).project
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.outbox.unit_of_work() as work:
            upload = await find_file(request, self._deps, project, work.connection, lock=True)
            [changed] = await change([upload], project, work)
        return answer(to_view(changed, self._deps.base_url))

    async def _change_many(self, request: web.Request, change: Change) -> web.Response:
        call = await self._gate.admit(request)
        ids = {text: to_uuid(text) for text in _checked(parsed(request, call.body, FileIds).root)}
        wanted = [UploadId(one) for one in dict.fromkeys(ids.values()) if one is not None]
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.outbox.unit_of_work() as work:
            found = await ProjectUploadStore(work.connection).find_all(call.project.id, wanted, lock=True)
            there = [found[one] for one in wanted if one in found and is_there(found[one], self._deps.clock())]
            changed = await change(there, call.project, work)
        done = {upload.id for upload in changed}
        problems = {
            text: "Invalid UUID" if one is None else "Missing in the project" for text, one in ids.items() if one not in done
        }
        return answer(BatchAnswer(problems=problems, result=[to_view(upload, self._deps.base_url) for upload in changed]))

    async def _store(self, uploads: Sequence[Upload], project: Project, work: UnitOfWork) -> list[Upload]:
        now = self._deps.clock()
        kept = [await keep_file(upload, work, now) for upload in uploads]
        new = [after for before, after in zip(uploads, kept, strict=True) if before.kept_at is None]
        hooks = await HookStore(work.connection).listening(project.id, [News.STORED]) if new else []
        for upload in new:
            self._announcer.tell(upload, hooks, work, Occasion())
        return kept

    async def _delete(self, uploads: Sequence[Upload], project: Project, work: UnitOfWork) -> list[Upload]:
        """Webhooks are told when the bytes are gone."""
        for upload in uploads:
            await delete_upload(upload, work, self._deps.clock(), while_busy=True)
        ids = [upload.id for upload in uploads]
        deleted = await ProjectUploadStore(work.connection).find_all(project.id, ids)
        return [deleted[one] for one in ids]


def _checked(texts: Sequence[str]) -> Sequence[str]:
    """Raises HttpError."""
    if not texts:
        raise HttpError("List of UUIDs can not be empty.")
    if len(texts) > MAX_BATCH:
        raise HttpError(f"Maximum UUIDs per request is exceeded. The limit is {MAX_BATCH}.")
    return texts

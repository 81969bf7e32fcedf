"""`/api/upload/id`: registers an upload id, and finishes it (M-08, M-12, M-20, M-21)."""

import asyncio
from typing import Final
from uuid import UUID

from aiohttp import web

from contracts.ids import new_id
from services.gateway.auth import Principal
from services.gateway.deps import Deps
from services.gateway.dialects.medialab.answer import answer
from services.gateway.dialects.medialab.caller import Callers
from services.gateway.dialects.medialab.schemas import Finished, Links, UploadIdFinish, UploadIdRequest, UploadIdView
from services.gateway.dialects.medialab.translate import file_views
from services.gateway.dialects.medialab.upload_url import UploadUrls
from services.gateway.domain.batch import BatchId, BatchNotFoundError, NewBatch
from services.gateway.domain.error import StorageBlockedError
from services.gateway.store import BatchStore
from services.gateway.usecases.open_batch import BatchOpener

DATABASE_SECONDS: Final = 10
"""After that the answer is 503: whatever was asked may or may not have happened."""


class UploadIds:
    def __init__(self, deps: Deps, callers: Callers, urls: UploadUrls) -> None:
        self._deps = deps
        self._callers = callers
        self._urls = urls
        self._opener = BatchOpener(deps.outbox)

    async def register(self, request: web.Request) -> web.Response:
        principal, params = await self._callers.caller_and_params(request)
        if principal.storage_blocked_at is not None:
            raise StorageBlockedError
        new = self._batch(params.parse(UploadIdRequest), principal)
        await self._opener.open(new)
        return answer(self._view(new))

    async def finish(self, request: web.Request) -> web.Response:
        """Again is fine, also when its time is over."""
        principal, batch_id = await self._named(request)
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.outbox.unit_of_work() as work:
            store = BatchStore(work.connection)
            batch = await store.find(batch_id, lock=True)
            if batch is None or batch.tenant_id != principal.tenant_id:
                raise BatchNotFoundError
            await store.finish(batch_id, self._deps.clock())
            uploads = [upload for upload in await store.files(batch_id) if not upload.removed]
            return answer(Finished(files=await file_views(work.connection, batch.tenant_id, uploads)))

    async def _named(self, request: web.Request) -> tuple[Principal, BatchId]:
        """Where the path has the id, no body counts."""
        if (ulid := request.match_info.get("ulid")) is not None:
            return await self._callers.caller(request), to_batch_id(ulid)
        principal, params = await self._callers.caller_and_params(request)
        return principal, to_batch_id(params.parse(UploadIdFinish).ulid)

    def _batch(self, asked: UploadIdRequest, principal: Principal) -> NewBatch:
        now = self._deps.clock()
        return NewBatch(
            id=BatchId(new_id()),
            tenant_id=principal.tenant_id,
            folder_number=asked.folder_id,
            created_at=now,
            expires_at=(now + self._deps.limits.medialab_upload).replace(microsecond=0),
            max_file_bytes=asked.max_filesize,
            max_files=asked.max_files,
            max_total_bytes=asked.max_size,
            extensions=asked.file_extensions,
            transcode=not asked.no_transcode,
            hides_response=asked.hide_response,
            finishes_itself=asked.autofinish,
        )

    def _view(self, batch: NewBatch) -> UploadIdView:
        own_path = f"/api/upload/id/{batch.id}"
        return UploadIdView(
            ulid=str(batch.id),
            expires=int(batch.expires_at.timestamp()),
            expires_in=int((batch.expires_at - batch.created_at).total_seconds()),
            url_upload_direct=self._urls.url(batch.id, batch.expires_at),
            api=Links(
                rel=own_path,
                upload=f"{self._deps.base_url}/api/file/{batch.id}",
                finish=f"{self._deps.base_url}{own_path}",
            ),
        )


def to_batch_id(text: str | None) -> BatchId:
    """Raises BatchNotFoundError, also for what was not given."""
    try:
        parsed = UUID(text or "")
    except ValueError:
        raise BatchNotFoundError from None
    if str(parsed) != (text or "").lower():
        raise BatchNotFoundError
    return BatchId(parsed)

"""`/api/upload/blob`: a file that lies in a linked container (M-06). The body is ours; the vendor publishes none."""

from aiohttp import web

from services.gateway.deps import Deps
from services.gateway.dialects.medialab.answer import answer
from services.gateway.dialects.medialab.caller import Callers
from services.gateway.dialects.medialab.folder_path import folder_path
from services.gateway.dialects.medialab.schemas import BlobRequest, RemoteView
from services.gateway.domain.error import StorageBlockedError
from services.gateway.usecases.fetch_blob import Blob, fetch_blob


class Blobs:
    def __init__(self, deps: Deps, callers: Callers) -> None:
        self._deps = deps
        self._callers = callers

    async def fetch(self, request: web.Request) -> web.Response:
        principal, params = await self._callers.caller_and_params(request)
        if principal.storage_blocked_at is not None:
            raise StorageBlockedError
        asked = params.parse(BlobRequest)
        blob = Blob(
            tenant_id=principal.tenant_id,
            container_id=asked.container_id,
            key=asked.key,
            max_size_bytes=self._deps.limits.max_upload_bytes,
            folder=await folder_path(self._deps, principal, asked.folder_id),
            view={} if asked.title is None else {"title": asked.title},
        )
        upload_id = await fetch_blob(self._deps.outbox, self._deps.registrar, blob, self._deps.clock())
        return answer(RemoteView(file_id=upload_id))

"""`/api/upload/remote`: the platform fetches a file itself (M-05). The body is ours; the vendor publishes none."""

from aiohttp import web

from contracts.ids import new_upload_id
from libs.egress.url import UrlRefusedError, check_host
from services.gateway.deps import Deps
from services.gateway.dialects.medialab.answer import answer
from services.gateway.dialects.medialab.caller import Callers
from services.gateway.dialects.medialab.errors import SourceRefusedError
from services.gateway.dialects.medialab.folder_path import folder_path
from services.gateway.dialects.medialab.schemas import RemoteRequest, RemoteView
from services.gateway.dialects.medialab.translate import to_registration
from services.gateway.domain.content_type import UNDECLARED
from services.gateway.domain.error import StorageBlockedError
from services.gateway.domain.registration import Source


class Remote:
    def __init__(self, deps: Deps, callers: Callers) -> None:
        self._deps = deps
        self._callers = callers

    async def fetch(self, request: web.Request) -> web.Response:
        principal, params = await self._callers.caller_and_params(request)
        if principal.storage_blocked_at is not None:
            raise StorageBlockedError
        asked = params.parse(RemoteRequest)
        await self._check(asked.url)
        new = to_registration(
            self._deps,
            principal.tenant_id,
            new_upload_id(),
            folder=await folder_path(self._deps, principal, asked.folder_id),
            title=asked.title,
            now=self._deps.clock(),
            transfer="fetched",
            source=Source(asked.url),
            content_type=UNDECLARED,
            max_size_bytes=self._deps.limits.max_upload_bytes,
        )
        await self._deps.registrar.register(new)
        return answer(RemoteView(file_id=new.id))

    async def _check(self, url: str) -> None:
        """Raises SourceRefusedError. What guards is the client that fetches: it judges the address again."""
        try:
            await check_host(url, self._deps.egress)
        except UrlRefusedError as refusal:
            raise SourceRefusedError(f"url: {refusal.message}") from None

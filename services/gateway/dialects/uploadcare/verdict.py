"""What became of an upload: whether it may be spoken of, and, where files are scanned for viruses, what the scanner says.

Without a scanner nobody waits: the bytes are there, and the client gets its answer. With one, an upload call is answered only
when the session service has decided, so that the client hears of a virus by name (U-45); for a while at most, since a slow
scanner must not hold up clients for ever: then `/info/` tells it later.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic
from typing import Final

from aiohttp import web

from contracts.ids import UploadId
from libs.web.server import CLOSING
from services.gateway.deps import Deps
from services.gateway.dialects.uploadcare.errors import UploadcareError
from services.gateway.domain.upload import State, Upload
from services.gateway.store import ProjectUploadStore, UploadStore
from services.gateway.usecases.delete import delete_upload

WAIT_SECONDS: Final = 20.0
LOOK_AGAIN_SECONDS: Final = 0.1


class Verdicts:
    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    async def wait(self, request: web.Request, upload_ids: Sequence[UploadId], *, surely: bool = False) -> None:
        """Raises UploadcareError where one of them was refused; the others of the request are given up then.

        `surely`: it is known that there is something to wait for, even without a scanner.
        """
        if not (self._deps.scans or surely):
            return
        await self._closed(upload_ids, request.app[CLOSING])
        async with self._deps.database.connection() as connection:
            uploads = [await UploadStore(connection).find(upload_id) for upload_id in upload_ids]
        refused = [upload for upload in uploads if upload is not None and upload.state is State.REJECTED]
        if refused:
            await self._give_up(uploads)
            raise refusal_of(refused[0])

    async def _closed(self, upload_ids: Sequence[UploadId], closing: asyncio.Event) -> None:
        end = monotonic() + WAIT_SECONDS
        while monotonic() < end and not closing.is_set():
            async with self._deps.database.connection() as connection:
                if not await ProjectUploadStore(connection).open_ids(upload_ids):
                    return
            with suppress(TimeoutError):
                await asyncio.wait_for(closing.wait(), LOOK_AGAIN_SECONDS)

    async def _give_up(self, uploads: Sequence[Upload | None]) -> None:
        for upload in uploads:
            if upload is not None and upload.project_id is not None:
                async with self._deps.outbox.unit_of_work() as work:
                    locked = await ProjectUploadStore(work.connection).find(upload.project_id, upload.id, lock=True)
                    if locked is not None:
                        await delete_upload(locked, work, self._deps.clock(), while_busy=True)


def refusal_of(upload: Upload) -> UploadcareError:
    """Of a rejected one."""
    match upload.error_code:
        case "infected":
            return UploadcareError("FileInfectedError", upload.error_message or "unknown")
        case "too_large" | "too_large_to_scan":
            return UploadcareError("FileSizeLimitExceededError")
        case "type_forbidden":
            return UploadcareError("FileTypeForbiddenError")
    return UploadcareError("UploadFailedError")

"""Which files Uploadcare's CDN addresses lead to: those of its API that were verified and are kept."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

from contracts.ids import UploadId
from libs.postgres.database import Database
from services.gateway.domain.upload import Upload
from services.gateway.files.published import kept
from services.gateway.files.soon import NotYetError, soon
from services.gateway.store.upload import UploadStore

DATABASE_SECONDS: Final = 10
"""How long a request may wait for the database."""


class UploadcareFiles:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, file_id: str) -> Upload | None:
        """What lies behind `/{file_id}/` now, or as soon as it is verified."""

        async def look() -> Upload | None:
            async with self._uploads() as uploads:
                upload = await uploads.find(UploadId(UUID(file_id)))
            return upload if upload is not None and _is_public(upload) else None

        return await soon(look)

    async def has_group(self, group_id: str, files_count: int) -> bool:
        async with self._uploads() as uploads:
            return await uploads.count_in_group(UUID(group_id)) == files_count

    async def find_in_group(self, group_id: str, files_count: int, position: int) -> tuple[Upload, str] | None:
        """The same behind `/{group_id}~{files_count}/nth/{position}/`, and the group's image operations for it."""

        async def look() -> tuple[Upload, str] | None:
            async with self._uploads() as uploads:
                if await uploads.count_in_group(UUID(group_id)) != files_count:
                    return None
                found = await uploads.find_in_group(UUID(group_id), position)
            return found if found is not None and _is_public(found[0]) else None

        return await soon(look)

    async def inspected(self, upload: Upload) -> Upload | None:
        """The same as soon as it is known what its bytes are, or that nobody will tell; None where that takes longer."""
        if upload.inspected:
            return upload

        async def look() -> Upload | None:
            async with self._uploads() as uploads:
                found = await uploads.find(upload.id)
            if found is not None and found.busy and not found.inspected:
                raise NotYetError(found)
            return found

        return await soon(look)

    async def is_published(self, upload_id: UploadId) -> bool:
        return await self.find(str(upload_id)) is not None

    @asynccontextmanager
    async def _uploads(self) -> AsyncIterator[UploadStore]:
        async with asyncio.timeout(DATABASE_SECONDS), self._database.connection() as connection:
            yield UploadStore(connection)


def _is_public(upload: Upload) -> bool:
    """Raises NotYetError where its bytes have come and are not verified."""
    if upload.dialect != "uploadcare" or upload.removed or not kept(upload):
        return False
    if not upload.has_file and upload.came:
        raise NotYetError(upload)
    return upload.has_file

"""Which file an address leads to, as the database says now.

Nothing of this is remembered: with the commit that removes a file, or changes how long it is kept, no replica serves it any
more. Instead all who ask at the same time share one statement, so that the more is asked the less a look-up costs.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

from contracts.ids import UploadId
from libs.postgres.coalesce import Coalescer
from libs.postgres.database import Database
from services.gateway.domain.served_file import ServedFile
from services.gateway.domain.upload import Upload
from services.gateway.store import ServedFileStore
from services.gateway.store.served_file import Name
from services.gateway.store.upload import UploadStore

DATABASE_SECONDS: Final = 10
"""How long a request may wait for the database."""

Found = ServedFile | None


class FileLookup:
    """Raises TimeoutError where the database stays away."""

    def __init__(self, database: Database, *, timeout_seconds: float = DATABASE_SECONDS) -> None:
        self._database = database
        self._timeout_seconds = timeout_seconds
        self._by_id: Coalescer[UploadId, Found] = Coalescer(self._find, patience_seconds=timeout_seconds)
        self._by_name: Coalescer[Name, Found] = Coalescer(self._find_by_name, patience_seconds=timeout_seconds)

    async def by_id(self, upload_id: UploadId) -> Found:
        return await self._by_id.submit(upload_id)

    async def by_name(self, client_id: str, folder: str, name: str) -> Found:
        """The live file behind `/{client_id}/files/<folder>/<name>`."""
        return await self._by_name.submit((client_id, folder, name))

    async def in_group(self, group_id: UUID, files_count: int, position: int) -> tuple[ServedFile, str] | None:
        """`ServedFileStore.find_in_group`."""
        async with self._files() as files:
            return await files.find_in_group(group_id, files_count, position)

    async def has_group(self, group_id: UUID, files_count: int) -> bool:
        async with self._files() as files:
            return await files.count_in_group(group_id) == files_count

    async def whole(self, upload_id: UploadId) -> Upload | None:
        """All that is known of the upload: for what is told of a file, not for sending it."""
        async with asyncio.timeout(self._timeout_seconds), self._database.connection() as connection:
            return await UploadStore(connection).find(upload_id)

    async def _find(self, upload_ids: Sequence[UploadId]) -> list[Found]:
        async with self._database.connection() as connection:
            return await ServedFileStore(connection).find(upload_ids)

    async def _find_by_name(self, names: Sequence[Name]) -> list[Found]:
        async with self._database.connection() as connection:
            return await ServedFileStore(connection).find_by_name(names)

    @asynccontextmanager
    async def _files(self) -> AsyncIterator[ServedFileStore]:
        async with asyncio.timeout(self._timeout_seconds), self._database.connection() as connection:
            yield ServedFileStore(connection)

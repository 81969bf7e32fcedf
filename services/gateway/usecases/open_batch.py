"""Opens batches; those that are asked for at the same time share one statement and one commit."""

from collections.abc import Sequence
from typing import Final

from libs.outbox.unit_of_work import Outbox
from libs.postgres.coalesce import Coalescer
from services.gateway.domain.batch import NewBatch
from services.gateway.domain.error import FolderNotFoundError
from services.gateway.store import BatchStore

TIMEOUT_SECONDS: Final = 10


class BatchOpener:
    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._inserts: Coalescer[NewBatch, bool] = Coalescer(self._insert, patience_seconds=TIMEOUT_SECONDS)

    async def open(self, new: NewBatch) -> None:
        """Returns when it is durable. Raises FolderNotFoundError; after TimeoutError nobody knows."""
        if not await self._inserts.submit(new):
            raise FolderNotFoundError

    async def _insert(self, batches: Sequence[NewBatch]) -> Sequence[bool]:
        async with self._outbox.database.connection() as connection:
            inserted = await BatchStore(connection).insert(batches)
        return [new.id in inserted for new in batches]

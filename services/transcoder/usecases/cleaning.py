"""After a file was removed: deletes renditions that a job still wrote, and at last forgets the job."""

from datetime import timedelta
from typing import Final

import structlog

from libs.object_store.port import ObjectStore, delete_prefix
from libs.outbox.unit_of_work import Outbox
from services.transcoder.store import TranscoderStore

BATCH: Final = 20
FORGET_BATCH: Final = 1000

log = structlog.get_logger()


class Cleaner:
    def __init__(self, outbox: Outbox, store: ObjectStore, *, forget_age: timedelta) -> None:
        self._outbox = outbox
        self._store = store
        self._forget_age = forget_age

    async def once(self) -> bool:
        """Cleans what is due; False where nothing was. A store error leaves all of it due."""
        async with self._outbox.unit_of_work() as work:
            rows = TranscoderStore(work.connection)
            upload_ids = await rows.due_cleaning(BATCH)
            for upload_id in upload_ids:
                if count := await delete_prefix(self._store, f"files/{upload_id}/renditions/"):
                    log.info("renditions.cleaned", upload_id=str(upload_id), objects=count)
            if upload_ids:
                await rows.cleaned(upload_ids)
        return bool(upload_ids)

    async def forget(self) -> bool:
        """One batch of jobs that ended long ago; True when there may be more."""
        async with self._outbox.database.connection() as connection:
            return await TranscoderStore(connection).forget(FORGET_BATCH, self._forget_age) == FORGET_BATCH

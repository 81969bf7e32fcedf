"""After a job: deletes what it has written and nobody needs, and at last forgets the job."""

from datetime import timedelta
from typing import Final

import structlog

from libs.object_store.port import ObjectStore, delete_prefix
from libs.outbox.unit_of_work import Outbox
from services.transcoder.adapters.playlist import MAX_BYTES, segment_names
from services.transcoder.domain.job import EndedJob
from services.transcoder.domain.object_key import growing_prefix, renditions_prefix
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
            jobs = await rows.due_cleaning(BATCH)
            for job in jobs:
                if count := await self._clean(job):
                    log.info("renditions.cleaned", upload_id=str(job.upload_id), state=job.state, objects=count)
            if jobs:
                await rows.cleaned([job.upload_id for job in jobs])
        return bool(jobs)

    async def forget(self) -> bool:
        """One batch of jobs that ended long ago; True when there may be more."""
        async with self._outbox.database.connection() as connection:
            return await TranscoderStore(connection).forget(FORGET_BATCH, self._forget_age) == FORGET_BATCH

    async def _clean(self, job: EndedJob) -> int:
        """How many objects were deleted: all of a job that failed or whose file was removed, else what has been replaced."""
        count = await delete_prefix(self._store, growing_prefix(job.upload_id))
        if job.state != "completed":
            return count + await delete_prefix(self._store, renditions_prefix(job.upload_id))
        kept = await self._named(job)
        if kept is None:
            return count
        async for page in self._store.list(f"{renditions_prefix(job.upload_id)}hls/"):
            left_over = [found.key for found in page if found.key not in kept]
            await self._store.delete(left_over)
            count += len(left_over)
        return count

    async def _named(self, job: EndedJob) -> set[str] | None:
        """The keys of all playlists and of the segments that they name; None where a playlist is not to be had."""
        kept = set(job.playlist_keys)
        for key in job.playlist_keys:
            found = await self._store.peek(key, MAX_BYTES)
            if found is None or found.content is None:
                return None
            folder = key.rpartition("/")[0]
            kept.update(f"{folder}/{name}" for name in segment_names(found.content.decode()))
        return kept

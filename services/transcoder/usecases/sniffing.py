"""The first look at every file: most need no more."""

import asyncio
from typing import Final

from libs.media_type.content import SNIFF_BYTES, sniff
from libs.object_store.port import ObjectNotFoundError, ObjectStore, StoreUnavailableError
from services.transcoder.domain.content_type import check_declared
from services.transcoder.domain.error import ContentTypeMismatchError
from services.transcoder.domain.job import Job, lane_for
from services.transcoder.domain.outcome import Completed, Moved, Outcome
from services.transcoder.usecases.failure import attempt_failed, failed, store_failed

CONCURRENT_READS: Final = 16


class Sniffer:
    """Ends jobs whose files have no inner structure of interest, moves the others to the lane that opens them."""

    def __init__(self, store: ObjectStore, read_seconds: float) -> None:
        """A read that lasts longer than `read_seconds` has failed."""
        self._store = store
        self._read_seconds = read_seconds
        self._reads = asyncio.Semaphore(CONCURRENT_READS)

    async def handle(self, job: Job) -> Outcome:
        if job.is_exhausted:
            return failed(None, None)
        try:
            content = sniff(await self._head(job))
            check_declared(job.upload.object.content_type, content.mime_type)
        except (StoreUnavailableError, OSError, TimeoutError) as error:
            return store_failed(job, error)
        except ObjectNotFoundError as error:
            return attempt_failed(job, error)
        except ContentTypeMismatchError as error:
            return failed(error, content.mime_type)
        if content.is_opened:
            return Moved(lane_for(content.mime_type, job.upload), content.mime_type)
        return Completed(content.mime_type, is_inspected=False)

    async def _head(self, job: Job) -> bytes:
        size = min(job.upload.object.size_bytes, SNIFF_BYTES)
        if size == 0:  # a range of nothing is an error in S3
            return b""
        async with asyncio.timeout(self._read_seconds), self._reads:
            return b"".join([chunk async for chunk in self._store.read(job.upload.object.key, length=size)])

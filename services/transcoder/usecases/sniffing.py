"""The first look at every file: most need no more."""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from libs.media_type.content import SNIFF_BYTES, sniff
from libs.object_store.port import ObjectNotFoundError, ObjectStore, StoreUnavailableError
from services.transcoder.domain.content_type import check_declared
from services.transcoder.domain.error import ContentTypeMismatchError
from services.transcoder.domain.job import Job, lane_for
from services.transcoder.usecases.outcome import Outcomes, Sniffed

CONCURRENT_READS: Final = 16

log = structlog.get_logger()


class Sniffer:
    """Ends jobs whose files have no inner structure of interest, moves the others to the lane that opens them."""

    def __init__(self, store: ObjectStore, outcomes: Outcomes) -> None:
        self._store = store
        self._outcomes = outcomes
        self._reads = asyncio.Semaphore(CONCURRENT_READS)

    async def run(self, jobs: Sequence[Job]) -> None:
        found = await asyncio.gather(*(self._look(job) for job in jobs))
        if done := [sniffed for sniffed in found if sniffed is not None]:
            await self._outcomes.sniffed(done)

    async def _look(self, job: Job) -> Sniffed | None:
        """What can be completed at once; None where it was already dealt with."""
        if job.is_exhausted:
            await self._outcomes.failed(job, None, None)
            return None
        try:
            head = await self._head(job)
        except (StoreUnavailableError, OSError, TimeoutError) as error:
            await self._outcomes.store_failed(job, error)
            return None
        except ObjectNotFoundError as error:
            await self._outcomes.attempt_failed(job, error)
            return None
        content = sniff(head)
        try:
            check_declared(job.upload.object.content_type, content.mime_type)
        except ContentTypeMismatchError as error:
            await self._outcomes.failed(job, error, content.mime_type)
            return None
        if content.is_opened:
            await self._outcomes.moved(job, lane_for(content.mime_type, job.upload), content.mime_type)
            return None
        return Sniffed(job, content.mime_type)

    async def _head(self, job: Job) -> bytes:
        size = min(job.upload.object.size_bytes, SNIFF_BYTES)
        if size == 0:  # a range of nothing is an error in S3
            return b""
        # A read that outlives the lease would cost an attempt, whoever is to blame.
        async with asyncio.timeout(self._outcomes.lease_seconds / 2), self._reads:
            return b"".join([chunk async for chunk in self._store.read(job.upload.object.key, length=size)])

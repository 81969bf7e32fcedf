"""Runs one job under its lease and decides what its end means."""

import asyncio
from contextlib import suppress
from typing import Final

import structlog

from libs.media_type.content import UNKNOWN
from libs.object_store.port import ObjectStore, StoreUnavailableError, delete_prefix
from libs.observability.tracing import span
from libs.runtime.lease import Lease
from services.transcoder.domain.content_type import is_claimed_media
from services.transcoder.domain.error import MediaError, UnreadableMediaError
from services.transcoder.domain.job import Job
from services.transcoder.domain.object_key import growing_prefix, renditions_prefix
from services.transcoder.usecases.outcome import LeaseLostError, Outcomes, Sniffed
from services.transcoder.usecases.processing import Processor, Progress

REPORT_STEP_PERCENT: Final = 10
REPORT_SECONDS: Final = 2.0

log = structlog.get_logger()


class Worker:
    def __init__(self, store: ObjectStore, outcomes: Outcomes, processor: Processor) -> None:
        self._store = store
        self._outcomes = outcomes
        self._processor = processor

    async def run(self, job: Job) -> None:
        """Never raises for the file's or the store's sake. When it is cancelled the job is given back at once."""
        if job.is_exhausted:
            await self._outcomes.failed(job, None, job.mime_type)
            return
        progress = Progress(mime_type=job.mime_type)
        headers = {"traceparent": job.cause.traceparent} if job.cause.traceparent else None
        try:
            with span("transcoder.process", headers=headers):
                await self._under_lease(job, progress)
        except MediaError as error:
            await self._refused(job, error, progress)
        except LeaseLostError:
            await self._abandon(job)
        except StoreUnavailableError as error:
            await self._outcomes.store_failed(job, error)
        except asyncio.CancelledError:
            with suppress(Exception):
                await self._outcomes.given_back(job)
            raise
        except Exception as error:
            await self._outcomes.attempt_failed(job, error)

    async def _refused(self, job: Job, error: MediaError, progress: Progress) -> None:
        """Fails what was declared as media, or turned out to be. A text that begins like a GIF is a text: it is complete."""
        declared = job.upload.object.content_type
        if progress.is_inspected or is_claimed_media(declared) or not isinstance(error, UnreadableMediaError):
            await self._outcomes.failed(job, error, progress.mime_type)
        else:
            await self._outcomes.sniffed([Sniffed(job, declared or UNKNOWN)])

    async def _under_lease(self, job: Job, progress: Progress) -> None:
        """Works while the lease is kept; whichever ends first ends the other."""
        work = asyncio.create_task(self._processor.run(job, progress))
        lease = asyncio.create_task(self._keep_lease(job, progress))
        try:
            await asyncio.wait({work, lease}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (work, lease):
                task.cancel()
            await asyncio.wait({work, lease})
        if not work.cancelled():
            if not lease.cancelled():
                lease.exception()  # seen: the job has ended, however its lease did
            work.result()
        else:
            lease.result()

    async def _keep_lease(self, job: Job, progress: Progress) -> None:
        """Extends the lease and reports progress, at most each `REPORT_SECONDS` and each `REPORT_STEP_PERCENT`.

        Raises LeaseLostError when another has the job, or nobody could be asked for as long as the lease lasts.
        """
        lease_seconds = self._outcomes.lease_seconds
        lease, reported = Lease(lease_seconds), job.percent
        while True:
            await asyncio.sleep(min(REPORT_SECONDS, lease_seconds / 3))
            is_due = progress.percent >= reported + REPORT_STEP_PERCENT
            if progress.is_done or not (is_due or lease.is_older_than(lease_seconds / 3)):
                continue
            try:
                async with lease.extending():
                    if is_due:
                        reported = progress.percent
                        await self._outcomes.progressed(job, reported)
                    elif not await self._outcomes.extend(job, progress.percent):
                        raise LeaseLostError
            except LeaseLostError:
                if not progress.is_done:
                    raise
            except Exception as error:
                log.warning("lease.not-extended", upload_id=str(job.upload.upload_id), error=type(error).__name__)
                if lease.is_lost:
                    raise LeaseLostError from error

    async def _abandon(self, job: Job) -> None:
        """A removed file leaves nothing behind; a job that another took over is that one's business."""
        log.info("job.abandoned", upload_id=str(job.upload.upload_id))
        if await self._outcomes.is_removed(job):
            for prefix in (renditions_prefix(job.upload.upload_id), growing_prefix(job.upload.upload_id)):
                await delete_prefix(self._store, prefix)

"""Opens one file, and decides what came of it."""

import asyncio
from typing import Final

import structlog

from libs.jobs.drain import drain
from libs.jobs.lease import LeaseLostError
from libs.media_type.content import UNKNOWN
from libs.object_store.port import ObjectStore, StoreUnavailableError, delete_prefix
from libs.observability.tracing import span
from services.transcoder import metrics
from services.transcoder.domain.content_type import is_claimed_media
from services.transcoder.domain.error import MediaError, UnreadableMediaError
from services.transcoder.domain.job import Job
from services.transcoder.domain.object_key import growing_prefix, renditions_prefix
from services.transcoder.domain.outcome import Completed, Outcome
from services.transcoder.usecases.failure import attempt_failed, failed, store_failed
from services.transcoder.usecases.processing import Processor, Progress
from services.transcoder.usecases.report import Reporter
from services.transcoder.usecases.repository import JobRepository

REPORT_STEP_PERCENT: Final = 10
REPORT_SECONDS: Final = 2.0

log = structlog.get_logger()


class JobHandler:
    def __init__(self, store: ObjectStore, jobs: JobRepository, reporter: Reporter, processor: Processor) -> None:
        self._store = store
        self._jobs = jobs
        self._reporter = reporter
        self._processor = processor

    async def handle(self, job: Job) -> Outcome:
        """Raises LeaseLostError alone."""
        if job.is_exhausted:
            return failed(None, job.mime_type)
        progress = Progress(mime_type=job.mime_type)
        headers = {"traceparent": job.cause.traceparent} if job.cause.traceparent else None
        reporting = asyncio.create_task(self._report(job, progress))
        try:
            with span("transcoder.process", headers=headers), metrics.SECONDS.labels(self._jobs.lane).time():
                renditions = await self._processor.run(job, progress)
            return Completed(progress.mime_type or UNKNOWN, tuple(renditions))
        except MediaError as error:
            return _refused(job, error, progress)
        except LeaseLostError:
            raise
        except StoreUnavailableError as error:
            return store_failed(job, error)
        except Exception as error:
            return attempt_failed(job, error)
        finally:
            await drain([reporting])

    async def abandon(self, job: Job) -> None:
        """A removed file leaves nothing behind; a job that another took over is that one's business."""
        if await self._jobs.is_removed(job):
            for prefix in (renditions_prefix(job.upload.upload_id), growing_prefix(job.upload.upload_id)):
                await delete_prefix(self._store, prefix)

    async def _report(self, job: Job, progress: Progress) -> None:
        """Says how far it is, at most each `REPORT_SECONDS` and each `REPORT_STEP_PERCENT`."""
        reported = job.percent
        while True:
            await asyncio.sleep(min(REPORT_SECONDS, self._jobs.lease_seconds / 3))
            if progress.percent < reported + REPORT_STEP_PERCENT:
                continue
            try:
                percent = progress.percent
                await self._reporter.progressed(job, percent)
                reported = percent
            except LeaseLostError:  # the renewal finds that out, too, and ends the job
                return
            except Exception as error:
                log.warning("job.progress_not_reported", upload_id=str(job.upload.upload_id), error=type(error).__name__)


def _refused(job: Job, error: MediaError, progress: Progress) -> Outcome:
    """Fails what was declared as media, or turned out to be. A text that begins like a GIF is a text: it is complete."""
    declared = job.upload.object.content_type
    if progress.is_inspected or is_claimed_media(declared) or not isinstance(error, UnreadableMediaError):
        return failed(error, progress.mime_type)
    return Completed(declared or UNKNOWN, is_inspected=False)

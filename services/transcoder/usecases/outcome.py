"""Says what became of jobs: the row and the events about it in one commit."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from contracts.envelope import EncodedEvent
from contracts.events import (
    Event,
    FileInspected,
    ImageInfo,
    MediaInfo,
    ProcessingCompleted,
    ProcessingFailed,
    ProcessingProgressed,
    Rendition,
    Stage,
    StreamStarted,
)
from libs.outbox.unit_of_work import RELAY, Outbox, envelop
from libs.postgres.database import Connection
from services.transcoder import metrics
from services.transcoder.domain.error import INTERNAL_MESSAGE, MediaError
from services.transcoder.domain.job import Job, Lane, attempt_backoff_seconds, store_backoff_seconds
from services.transcoder.store import TranscoderStore

log = structlog.get_logger()


class LeaseLostError(Exception):
    """The job is no longer ours: its file was removed, or another worker has taken over."""

    code = "lease_lost"


@dataclass(frozen=True)
class Sniffed:
    """A job whose file needs no more than a look at its first bytes."""

    job: Job
    mime_type: str


class Outcomes:
    def __init__(self, outbox: Outbox, lease_seconds: float) -> None:
        self._outbox = outbox
        self.lease_seconds = lease_seconds

    async def claim(self, lane: Lane, limit: int = 1) -> list[Job]:
        async with self._outbox.database.connection() as connection:
            return await TranscoderStore(connection).claim(lane, limit, self.lease_seconds)

    async def extend(self, job: Job, percent: int) -> bool:
        """Keeps the lease; False where it is lost."""
        async with self._outbox.database.connection() as connection:
            return await TranscoderStore(connection).extend(job, self.lease_seconds, percent)

    async def progressed(self, job: Job, percent: int) -> None:
        """Raises LeaseLostError."""
        upload = job.upload
        event = ProcessingProgressed(
            upload_id=upload.upload_id, tenant_id=upload.tenant_id, version=Stage.INSPECTED, percent=percent
        )
        async with self._outbox.database.transaction() as connection:
            if not await TranscoderStore(connection).extend(job, self.lease_seconds, percent):
                raise LeaseLostError
            await self._write(connection, [_about(job, event)])
        self._outbox.wakeups.wake(RELAY)

    async def stream_started(self, job: Job, playlist: str) -> None:
        """Raises LeaseLostError."""
        upload = job.upload
        event = StreamStarted(
            upload_id=upload.upload_id, tenant_id=upload.tenant_id, version=Stage.INSPECTED, playlist=playlist
        )
        async with self._outbox.database.transaction() as connection:
            if not await TranscoderStore(connection).extend(job, self.lease_seconds, 0):
                raise LeaseLostError
            await self._write(connection, [_about(job, event)])
        self._outbox.wakeups.wake(RELAY)

    async def inspected(self, job: Job, mime_type: str, image: ImageInfo | None, media: MediaInfo | None) -> None:
        """Raises LeaseLostError."""
        async with self._outbox.database.transaction() as connection:
            if not await TranscoderStore(connection).extend(job, self.lease_seconds, 0):
                raise LeaseLostError
            await self._write(connection, [_about(job, _inspected(job, mime_type, image, media))])
        self._outbox.wakeups.wake(RELAY)

    async def sniffed(self, batch: Sequence[Sniffed]) -> None:
        """Inspected and completed at once, a whole batch in one transaction."""
        jobs = [sniffed.job for sniffed in batch]
        async with self._outbox.database.transaction() as connection:
            ours = await TranscoderStore(connection).complete(jobs, [sniffed.mime_type for sniffed in batch])
            events = [
                _about(sniffed.job, event)
                for sniffed in batch
                if sniffed.job.upload.upload_id in ours
                for event in (_inspected(sniffed.job, sniffed.mime_type), _completed(sniffed.job, sniffed.mime_type))
            ]
            await self._write(connection, events)
        self._outbox.wakeups.wake(RELAY)
        metrics.JOBS.labels("completed").inc(len(ours))

    async def completed(self, job: Job, mime_type: str, renditions: Sequence[Rendition]) -> None:
        """Raises LeaseLostError."""
        async with self._outbox.database.transaction() as connection:
            if not await TranscoderStore(connection).complete([job], [mime_type], renditions):
                raise LeaseLostError
            await self._write(connection, [_about(job, _completed(job, mime_type, renditions))])
        self._outbox.wakeups.wake(RELAY)
        metrics.JOBS.labels("completed").inc()
        log.info("job.completed", upload_id=str(job.upload.upload_id), mime_type=mime_type, renditions=len(renditions))

    async def failed(self, job: Job, error: MediaError | None, mime_type: str | None) -> None:
        """Ends the job for good; None is our own fault (`internal`). A lost lease is fine: someone else decides."""
        code, message = (error.code, str(error)) if error else ("internal", INTERNAL_MESSAGE)
        upload = job.upload
        event = ProcessingFailed(
            upload_id=upload.upload_id, tenant_id=upload.tenant_id, version=Stage.PROCESSED,
            code=code, message=message, mime_type=mime_type,
        )  # fmt: skip
        async with self._outbox.database.transaction() as connection:
            if not await TranscoderStore(connection).fail(job, code):
                return
            await self._write(connection, [_about(job, event)])
        self._outbox.wakeups.wake(RELAY)
        metrics.JOBS.labels(code).inc()
        log.warning("job.failed", upload_id=str(upload.upload_id), code=code, mime_type=mime_type, attempts=job.attempts)

    async def moved(self, job: Job, lane: Lane, mime_type: str) -> None:
        """Due in another lane now."""
        async with self._outbox.database.connection() as connection:
            await TranscoderStore(connection).move(job, lane, mime_type)
        self._outbox.wakeups.wake(lane)

    async def store_failed(self, job: Job, error: Exception) -> None:
        """Later again, however often: the file is not to blame."""
        pause = store_backoff_seconds(job.store_errors + 1)
        log.warning("job.store-failed", upload_id=str(job.upload.upload_id), error=type(error).__name__, retry_seconds=pause)
        await self._postpone(job, pause, counted=False, store_error=True)

    async def attempt_failed(self, job: Job, error: Exception) -> None:
        """Later again, `MAX_ATTEMPTS` times in all."""
        log.error("job.attempt-failed", upload_id=str(job.upload.upload_id), attempt=job.attempts, exc_info=error)
        await self._postpone(job, attempt_backoff_seconds(job.attempts), counted=True)

    async def given_back(self, job: Job) -> None:
        """We are stopping: due at once for another worker."""
        await self._postpone(job, 0, counted=False)

    async def is_removed(self, job: Job) -> bool:
        async with self._outbox.database.connection() as connection:
            return await TranscoderStore(connection).is_removed(job.upload.upload_id)

    async def depths(self) -> dict[str, int]:
        """Open jobs by lane."""
        async with self._outbox.database.connection() as connection:
            return await TranscoderStore(connection).depths()

    async def _postpone(self, job: Job, seconds: float, *, counted: bool, store_error: bool = False) -> None:
        async with self._outbox.database.connection() as connection:
            await TranscoderStore(connection).postpone(job, seconds, counted=counted, store_error=store_error)

    async def _write(self, connection: Connection, envelopes: Iterable[EncodedEvent]) -> None:
        await self._outbox.write(connection, list(envelopes))


def _about(job: Job, event: Event) -> EncodedEvent:
    """The event as a consequence of the message that asked for the job, in the same trace."""
    return envelop(event, source="transcoder", cause=job.cause).encode()


def _inspected(job: Job, mime_type: str, image: ImageInfo | None = None, media: MediaInfo | None = None) -> FileInspected:
    upload = job.upload
    return FileInspected(
        upload_id=upload.upload_id, tenant_id=upload.tenant_id, version=Stage.INSPECTED,
        mime_type=mime_type, size_bytes=upload.object.size_bytes, image=image, media=media,
    )  # fmt: skip


def _completed(job: Job, mime_type: str, renditions: Sequence[Rendition] = ()) -> ProcessingCompleted:
    upload = job.upload
    return ProcessingCompleted(
        upload_id=upload.upload_id, tenant_id=upload.tenant_id, version=Stage.PROCESSED,
        mime_type=mime_type, renditions=tuple(renditions), completed_at=datetime.now(UTC),
    )  # fmt: skip

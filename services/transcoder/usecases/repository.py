"""The jobs of one lane: rows and the events about them in one commit."""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from uuid import UUID

import structlog

from contracts.events import Event, ProcessingCompleted, ProcessingFailed, Rendition, Stage
from libs.jobs.claim import ClaimLimits
from libs.outbox.unit_of_work import RELAY, Outbox
from services.transcoder import metrics
from services.transcoder.domain.job import Job, Lane
from services.transcoder.domain.outcome import Completed, Failed, Moved, Outcome, Postponed
from services.transcoder.store import TranscoderStore
from services.transcoder.usecases.report import about, inspected

log = structlog.get_logger()


class JobRepository:
    def __init__(self, outbox: Outbox, lane: Lane, lease_seconds: float) -> None:
        self._outbox = outbox
        self.lane = lane
        self.lease_seconds = lease_seconds

    async def claim(self, limits: ClaimLimits) -> Sequence[Job]:
        async with self._outbox.database.connection() as connection:
            return await TranscoderStore(connection).claim(self.lane, limits, self.lease_seconds)

    async def renew(self, jobs: Sequence[Job]) -> Collection[UUID]:
        async with self._outbox.database.connection() as connection:
            return await TranscoderStore(connection).renew(jobs, self.lease_seconds)

    async def release(self, jobs: Sequence[Job]) -> None:
        async with self._outbox.database.connection() as connection:
            await TranscoderStore(connection).release(jobs)

    async def record(self, results: Sequence[tuple[Job, Outcome]]) -> float | None:
        completed = [(job, outcome) for job, outcome in results if isinstance(outcome, Completed)]
        failed = [(job, outcome) for job, outcome in results if isinstance(outcome, Failed)]
        moved = [(job, outcome) for job, outcome in results if isinstance(outcome, Moved)]
        postponed = [(job, outcome) for job, outcome in results if isinstance(outcome, Postponed)]
        async with self._outbox.database.transaction() as connection:
            store = TranscoderStore(connection)
            ours = (await store.complete(completed) if completed else set()) | (await store.fail(failed) if failed else set())
            if moved:
                await store.move(moved)
            if postponed:
                await store.postpone(postponed)
            ended = [result for result in results if result[0].lease in ours]
            await self._outbox.write(connection, [about(job, event) for job, end in ended for event in _events(job, end)])
        for name in (*([RELAY] if ended else []), *{outcome.lane for _, outcome in moved}):
            self._outbox.wakeups.wake(name)
        for job, outcome in ended:
            _count(job, outcome)
        return min((outcome.seconds for _, outcome in postponed), default=None)

    async def is_removed(self, job: Job) -> bool:
        async with self._outbox.database.connection() as connection:
            return await TranscoderStore(connection).is_removed(job.upload.upload_id)


def _events(job: Job, outcome: Outcome) -> Iterable[Event]:
    if isinstance(outcome, Completed):
        if not outcome.is_inspected:
            yield inspected(job, outcome.mime_type)
        yield _completed(job, outcome.mime_type, outcome.renditions)
    elif isinstance(outcome, Failed):
        upload = job.upload
        yield ProcessingFailed(
            upload_id=upload.upload_id, tenant_id=upload.tenant_id, version=Stage.PROCESSED,
            code=outcome.code, message=outcome.message, mime_type=outcome.mime_type,
        )  # fmt: skip


def _count(job: Job, outcome: Outcome) -> None:
    upload_id = str(job.upload.upload_id)
    if isinstance(outcome, Completed):
        metrics.JOBS.labels("completed").inc()
        log.info("job.completed", upload_id=upload_id, mime_type=outcome.mime_type, renditions=len(outcome.renditions))
    elif isinstance(outcome, Failed):
        metrics.JOBS.labels(outcome.code).inc()
        log.warning("job.failed", upload_id=upload_id, code=outcome.code, mime_type=outcome.mime_type, attempts=job.attempts)


def _completed(job: Job, mime_type: str, renditions: Sequence[Rendition] = ()) -> ProcessingCompleted:
    upload = job.upload
    return ProcessingCompleted(
        upload_id=upload.upload_id, tenant_id=upload.tenant_id, version=Stage.PROCESSED,
        mime_type=mime_type, renditions=tuple(renditions), completed_at=datetime.now(UTC),
    )  # fmt: skip

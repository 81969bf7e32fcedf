"""The fetches: rows and the events about them in one commit."""

from collections.abc import Collection, Sequence
from uuid import UUID

import structlog

from contracts.events import Event, FetchCompleted, FetchFailed, Stage
from libs.jobs.claim import ClaimLimits
from libs.outbox.unit_of_work import RELAY, Outbox
from services.ingest import metrics
from services.ingest.domain.fetch import Fetch
from services.ingest.domain.outcome import Failed, Fetched, Outcome, Postponed
from services.ingest.store import IngestStore
from services.ingest.usecases.report import about

log = structlog.get_logger()

Ended = Fetched | Failed


class FetchRepository:
    def __init__(self, outbox: Outbox, lease_seconds: float) -> None:
        self._outbox = outbox
        self.lease_seconds = lease_seconds

    async def claim(self, limits: ClaimLimits) -> Sequence[Fetch]:
        async with self._outbox.database.connection() as connection:
            return await IngestStore(connection).claim(limits, self.lease_seconds)

    async def renew(self, jobs: Sequence[Fetch]) -> Collection[UUID]:
        async with self._outbox.database.connection() as connection:
            return await IngestStore(connection).renew(jobs, self.lease_seconds)

    async def release(self, jobs: Sequence[Fetch]) -> None:
        async with self._outbox.database.connection() as connection:
            await IngestStore(connection).postpone([(fetch, Postponed(0)) for fetch in jobs])

    async def record(self, results: Sequence[tuple[Fetch, Outcome]]) -> float | None:
        ended = [(fetch, outcome) for fetch, outcome in results if not isinstance(outcome, Postponed)]
        postponed = [(fetch, outcome) for fetch, outcome in results if isinstance(outcome, Postponed)]
        async with self._outbox.database.transaction() as connection:
            store = IngestStore(connection)
            ours = await store.end(ended) if ended else set()
            told = [(fetch, outcome) for fetch, outcome in ended if fetch.lease in ours]
            await self._outbox.write(connection, [about(fetch, _event(fetch, outcome)) for fetch, outcome in told])
            if postponed:
                await store.postpone(postponed)
        if told:
            self._outbox.wakeups.wake(RELAY)
        for fetch, outcome in told:
            _count(fetch, outcome)
        return min((outcome.seconds for _, outcome in postponed), default=None)

    async def is_cancelled(self, fetch: Fetch) -> bool:
        async with self._outbox.database.connection() as connection:
            return await IngestStore(connection).is_cancelled(fetch.request.upload_id)


def _event(fetch: Fetch, outcome: Ended) -> Event:
    request = fetch.request
    if isinstance(outcome, Fetched):
        return FetchCompleted(
            upload_id=request.upload_id, tenant_id=request.tenant_id, version=Stage.REGISTERED,
            size_bytes=outcome.size_bytes, file_name=outcome.found.file_name, content_type=outcome.found.content_type,
        )  # fmt: skip
    return FetchFailed(
        upload_id=request.upload_id, tenant_id=request.tenant_id, version=Stage.REGISTERED,
        code=outcome.code, message=outcome.message,
    )  # fmt: skip


def _count(fetch: Fetch, outcome: Ended) -> None:
    upload_id = str(fetch.request.upload_id)
    if isinstance(outcome, Fetched):
        metrics.ENDED.labels("completed").inc()
        log.info("fetch.completed", upload_id=upload_id, size_bytes=outcome.size_bytes)
    else:
        metrics.ENDED.labels(outcome.code).inc()
        log.warning("fetch.failed", upload_id=upload_id, code=outcome.code, message=outcome.message)

"""Says what became of fetches: the row and the event about it in one commit."""

import asyncio
from typing import Final

import structlog

from contracts.envelope import EncodedEvent
from contracts.events import Event, FetchCompleted, FetchFailed, FetchProgressed, Stage
from contracts.ids import TenantId
from libs.outbox.unit_of_work import RELAY, Outbox, encode_event
from services.ingest import metrics
from services.ingest.domain.error import FetchError, SourceBusyError
from services.ingest.domain.fetch import FETCHES, Fetch, Found, Retries, store_pause_seconds
from services.ingest.domain.progress import Progress
from services.ingest.store import IngestStore

BUSY_SECONDS: Final = 5.0
"""Before a source that was not ready is asked again."""

log = structlog.get_logger()


class LeaseLostError(Exception):
    """The fetch is no longer ours: its upload has ended, or another worker has taken over."""

    code = "lease_lost"


class Outcomes:
    def __init__(self, outbox: Outbox, retries: Retries, lease_seconds: float) -> None:
        self._outbox = outbox
        self._retries = retries
        self.lease_seconds = lease_seconds

    async def claim(self, limit: int, places: int, free: dict[TenantId, int]) -> list[Fetch]:
        async with self._outbox.database.connection() as connection:
            return await IngestStore(connection).claim(limit=limit, places=places, free=free, lease_seconds=self.lease_seconds)

    async def extend(self, fetch: Fetch) -> None:
        """Raises LeaseLostError."""
        async with self._outbox.database.connection() as connection:
            if not await IngestStore(connection).extend(fetch, self.lease_seconds):
                raise LeaseLostError

    async def began(self, fetch: Fetch, found: Found, progress: Progress) -> None:
        """The source has content that is wanted. Raises LeaseLostError."""
        async with self._outbox.database.connection() as connection:
            if not await IngestStore(connection).begin(fetch, found, self.lease_seconds):
                raise LeaseLostError
        if fetch.reports == 0:
            await self.progressed(fetch, progress)

    async def progressed(self, fetch: Fetch, progress: Progress) -> None:
        """Raises LeaseLostError."""
        progress.reported(asyncio.get_running_loop().time())
        async with self._outbox.database.transaction() as connection:
            number = await IngestStore(connection).report(fetch, progress, self.lease_seconds)
            if number is None:
                raise LeaseLostError
            event = FetchProgressed(
                upload_id=fetch.request.upload_id, tenant_id=fetch.request.tenant_id, version=Stage.REGISTERED,
                sequence=number, done_bytes=progress.reported_bytes, total_bytes=progress.total_bytes,
            )  # fmt: skip
            await self._outbox.write(connection, [_about(fetch, event)])
        self._outbox.wakeups.wake(RELAY)

    async def completed(self, fetch: Fetch, size_bytes: int, found: Found) -> None:
        """Raises LeaseLostError."""
        event = FetchCompleted(
            upload_id=fetch.request.upload_id, tenant_id=fetch.request.tenant_id, version=Stage.REGISTERED,
            size_bytes=size_bytes, file_name=found.file_name, content_type=found.content_type,
        )  # fmt: skip
        if not await self._ended(fetch, event, None):
            raise LeaseLostError
        log.info("fetch.completed", upload_id=str(fetch.request.upload_id), size_bytes=size_bytes)

    async def failed(self, fetch: Fetch, error: FetchError) -> None:
        """Later again where that may help, else the end. A lost lease is fine: someone else decides."""
        upload_id = str(fetch.request.upload_id)
        if isinstance(error, SourceBusyError):
            log.info("fetch.postponed", upload_id=upload_id, code=error.code, message=str(error), retry_seconds=BUSY_SECONDS)
            await self._postpone(fetch, BUSY_SECONDS)
            return
        pause = self._retries.pause_seconds(fetch.failures + 1) if error.may_pass else None
        if pause is not None:
            metrics.RETRIED.labels(error.code).inc()
            log.info("fetch.postponed", upload_id=upload_id, code=error.code, message=str(error), retry_seconds=pause)
            await self._postpone(fetch, pause, failures=1)
            return
        event = FetchFailed(
            upload_id=fetch.request.upload_id, tenant_id=fetch.request.tenant_id, version=Stage.REGISTERED,
            code=error.code, message=str(error),
        )  # fmt: skip
        if await self._ended(fetch, event, error.code):
            log.warning("fetch.failed", upload_id=upload_id, code=error.code, message=str(error))

    async def store_failed(self, fetch: Fetch, error: Exception) -> None:
        """Later again, however often: the source is not to blame, and the upload's deadline ends it."""
        pause = store_pause_seconds(fetch.store_errors + 1)
        upload_id = str(fetch.request.upload_id)
        log.warning("fetch.store-failed", upload_id=upload_id, error=type(error).__name__, retry_seconds=pause)
        await self._postpone(fetch, pause, store_errors=1)

    async def given_back(self, fetch: Fetch) -> None:
        """We are stopping: due at once for another worker."""
        await self._postpone(fetch, 0)

    async def is_cancelled(self, fetch: Fetch) -> bool:
        async with self._outbox.database.connection() as connection:
            return await IngestStore(connection).is_cancelled(fetch.request.upload_id)

    async def _ended(self, fetch: Fetch, event: FetchCompleted | FetchFailed, error_code: str | None) -> bool:
        """False where the fetch is no longer ours; then nothing is said."""
        async with self._outbox.database.transaction() as connection:
            if not await IngestStore(connection).end(fetch, error_code):
                return False
            await self._outbox.write(connection, [_about(fetch, event)])
        self._outbox.wakeups.wake(RELAY)
        metrics.ENDED.labels(error_code or "completed").inc()
        return True

    async def _postpone(self, fetch: Fetch, seconds: float, *, failures: int = 0, store_errors: int = 0) -> None:
        async with self._outbox.database.connection() as connection:
            await IngestStore(connection).postpone(fetch, seconds, failures=failures, store_errors=store_errors)
        if seconds == 0:
            self._outbox.wakeups.wake(FETCHES)


def _about(fetch: Fetch, event: Event) -> EncodedEvent:
    """The event as a consequence of the message that asked for the fetch, in the same trace."""
    return encode_event(event, source="ingest", cause=fetch.cause)

"""Makes one attempt, and decides what came of it."""

import asyncio
from typing import Final

import structlog

from libs.jobs.drain import drain
from libs.jobs.lease import LeaseLostError
from libs.jobs.retry import RetryPolicy
from libs.object_store.port import ObjectStore, StoreUnavailableError
from libs.observability.tracing import span
from libs.postgres.database import TRANSIENT_ERRORS
from services.ingest import metrics
from services.ingest.domain.error import FetchError
from services.ingest.domain.fetch import Fetch
from services.ingest.domain.outcome import Outcome
from services.ingest.domain.progress import Progress
from services.ingest.usecases.failure import exhausted, source_failed, store_failed, unexpected
from services.ingest.usecases.fetching import Fetching
from services.ingest.usecases.report import Reporter
from services.ingest.usecases.repository import FetchRepository

REPORT_SECONDS: Final = 0.25
"""How often it is seen whether there is progress to report."""

OUR_SERVERS_ERRORS: Final[tuple[type[Exception], ...]] = (StoreUnavailableError, *TRANSIENT_ERRORS)
"""Of the store and the database; the source's are FetchErrors."""

log = structlog.get_logger()


class FetchHandler:
    def __init__(
        self, store: ObjectStore, fetches: FetchRepository, reporter: Reporter, fetching: Fetching, retries: RetryPolicy
    ) -> None:
        """`retries`: of a source that failed."""
        self._store = store
        self._fetches = fetches
        self._reporter = reporter
        self._fetching = fetching
        self._retries = retries

    async def handle(self, fetch: Fetch) -> Outcome:
        """Raises LeaseLostError alone."""
        if fetch.is_exhausted:
            return exhausted()
        progress = Progress(reported_bytes=fetch.reported_bytes)
        headers = {"traceparent": fetch.cause.traceparent} if fetch.cause.traceparent else None
        reporting = asyncio.create_task(self._report(fetch, progress))
        try:
            with span("ingest.fetch", headers=headers), metrics.SECONDS.time(), metrics.IN_FLIGHT.track_inprogress():
                return await self._fetching.run(fetch, progress)
        except FetchError as error:
            return source_failed(fetch, error, self._retries)
        except LeaseLostError:
            raise
        except OUR_SERVERS_ERRORS as error:
            return store_failed(fetch, error)
        except Exception as error:
            return unexpected(fetch, error, self._retries)
        finally:
            await drain([reporting])

    async def abandon(self, fetch: Fetch) -> None:
        """An upload that has ended leaves nothing behind; a fetch that another took over is that one's business."""
        if await self._fetches.is_cancelled(fetch):
            await self._store.delete([fetch.request.staging_key])

    async def _report(self, fetch: Fetch, progress: Progress) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            if not progress.is_due(clock()):
                continue
            try:
                await self._reporter.progressed(fetch, progress)
            except LeaseLostError:  # the renewal finds that out, too, and ends the fetch
                return
            except Exception as error:
                log.warning("fetch.progress_not_reported", upload_id=str(fetch.request.upload_id), error=type(error).__name__)

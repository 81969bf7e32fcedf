"""Makes one attempt under its lease and decides what its end means."""

import asyncio
import traceback
from contextlib import suppress
from typing import Final

import structlog

from libs.object_store.port import ObjectStore, StoreUnavailableError
from libs.observability.tracing import span
from libs.postgres.database import TRANSIENT_ERRORS
from libs.runtime.lease import Lease
from services.ingest import metrics
from services.ingest.domain.error import INTERNAL_MESSAGE, FetchError
from services.ingest.domain.fetch import Fetch
from services.ingest.domain.progress import Progress
from services.ingest.usecases.fetching import Fetching
from services.ingest.usecases.outcome import LeaseLostError, Outcomes

LOOK_SECONDS: Final = 0.25
"""How often it is seen whether there is progress to report."""
CANCEL_SECONDS: Final = 5.0
"""How long a fetch may go on at most after its upload has ended."""

OUR_SERVERS_ERRORS: Final[tuple[type[Exception], ...]] = (StoreUnavailableError, *TRANSIENT_ERRORS)
"""Of the store and the database; the source's are FetchErrors."""

log = structlog.get_logger()


class Worker:
    def __init__(self, store: ObjectStore, outcomes: Outcomes, fetching: Fetching) -> None:
        self._store = store
        self._outcomes = outcomes
        self._fetching = fetching

    async def run(self, fetch: Fetch) -> None:
        """Raises only what the database does. When it is cancelled the fetch is given back at once."""
        if fetch.is_exhausted:
            await self._outcomes.failed(fetch, FetchError("fetch_internal", INTERNAL_MESSAGE))
            return
        headers = {"traceparent": fetch.cause.traceparent} if fetch.cause.traceparent else None
        try:
            with span("ingest.fetch", headers=headers), metrics.SECONDS.time():
                await self._under_lease(fetch, Progress(reported_bytes=fetch.reported_bytes))
        except FetchError as error:
            await self._outcomes.failed(fetch, error)
        except LeaseLostError:
            await self._abandon(fetch)
        except OUR_SERVERS_ERRORS as error:
            await self._outcomes.store_failed(fetch, error)
        except asyncio.CancelledError:
            with suppress(Exception):
                await self._outcomes.given_back(fetch)
            raise
        except Exception as error:
            await self._stumble(fetch, error)

    async def _under_lease(self, fetch: Fetch, progress: Progress) -> None:
        """Works while the lease is kept; whichever ends first ends the other."""
        work = asyncio.create_task(self._fetching.run(fetch, progress))
        lease = asyncio.create_task(self._keep_lease(fetch, progress))
        try:
            await asyncio.wait({work, lease}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (work, lease):
                task.cancel()
            await asyncio.wait({work, lease})
        if not work.cancelled():
            if not lease.cancelled():
                lease.exception()  # seen: the attempt has ended, however its lease did
            work.result()
        else:
            lease.result()

    async def _keep_lease(self, fetch: Fetch, progress: Progress) -> None:
        """Extends the lease and reports progress.

        Raises LeaseLostError when another has the fetch, or nobody could be asked for as long as the lease lasts.
        """
        clock = asyncio.get_running_loop().time
        lease = Lease(self._outcomes.lease_seconds)
        while True:
            await asyncio.sleep(min(LOOK_SECONDS, self._outcomes.lease_seconds / 3))
            is_due = progress.is_due(clock())
            if progress.is_done or not (is_due or lease.is_older_than(CANCEL_SECONDS)):
                continue
            try:
                async with lease.extending():
                    await (self._outcomes.progressed(fetch, progress) if is_due else self._outcomes.extend(fetch))
            except LeaseLostError:
                if not progress.is_done:
                    raise
            except Exception as error:
                log.warning("lease.not-extended", upload_id=str(fetch.request.upload_id), error=type(error).__name__)
                if lease.is_lost:
                    raise LeaseLostError from error

    async def _abandon(self, fetch: Fetch) -> None:
        """An upload that has ended leaves nothing behind; a fetch that another took over is that one's business."""
        log.info("fetch.abandoned", upload_id=str(fetch.request.upload_id))
        if await self._outcomes.is_cancelled(fetch):
            await self._store.delete([fetch.request.staging_key])

    async def _stumble(self, fetch: Fetch, error: Exception) -> None:
        """Our own mistake. Its words are not logged: they may name the URL."""
        log.error(
            "fetch.stumbled", upload_id=str(fetch.request.upload_id), error=type(error).__name__,
            traceback=traceback.format_tb(error.__traceback__),
        )  # fmt: skip
        await self._outcomes.failed(fetch, FetchError("fetch_internal", INTERNAL_MESSAGE, may_pass=True))

"""Timers in: fetches that are due, watch folders, and upkeep."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from contracts.ids import TenantId
from libs.outbox.unit_of_work import Outbox
from libs.postgres.database import TRANSIENT_ERRORS
from services.ingest import metrics
from services.ingest.adapters.changes import Changes
from services.ingest.adapters.place import PlaceUnavailableError
from services.ingest.domain.fetch import FETCHES, Fetch
from services.ingest.domain.watch import CLEARING, WATCH, WatchFolder
from services.ingest.store import IngestStore, WatchStore
from services.ingest.usecases.outcome import Outcomes
from services.ingest.usecases.watching import Clearing, Finding, Seen
from services.ingest.usecases.working import Worker

log = structlog.get_logger()

BREATH_SECONDS: Final = 0.2
"""Between two looks at watch folders."""
UPKEEP_SECONDS: Final = 15.0
PURGE_BATCH: Final = 1000


class FetchLoop:
    """Claims what is due as long as there are places, and runs each by itself."""

    def __init__(
        self,
        outbox: Outbox,
        outcomes: Outcomes,
        worker: Worker,
        *,
        concurrency: int,
        tenant_concurrency: int,
        poll_seconds: float,
    ) -> None:
        self._wakeups = outbox.wakeups
        self._outcomes = outcomes
        self._worker = worker
        self._concurrency = concurrency
        self._tenant_concurrency = tenant_concurrency
        self._poll_seconds = poll_seconds
        self._running: dict[asyncio.Task[None], Fetch] = {}

    async def run(self) -> None:
        try:
            while True:
                if not await self._started_some():
                    await self._wakeups.wait(FETCHES, timeout=self._poll_seconds)
        finally:
            await self._give_back()

    async def start_due(self) -> int:
        """Begins as many due fetches as there are places for."""
        places = self._concurrency - len(self._running)
        if places <= 0:
            return 0
        claimed = await self._outcomes.claim(places, self._tenant_concurrency, self._free_places())
        for fetch in claimed:
            self._running[asyncio.create_task(self._run(fetch))] = fetch
        metrics.IN_FLIGHT.set(len(self._running))
        return len(claimed)

    async def _started_some(self) -> bool:
        try:
            return await self.start_due() > 0
        except TRANSIENT_ERRORS as error:  # must not end the fetches under way
            log.warning("fetches.claim-postponed", error=type(error).__name__)
            return False

    def _free_places(self) -> dict[TenantId, int]:
        """Of the tenants that do not have all of theirs."""
        busy = Counter(fetch.request.tenant_id for fetch in self._running.values())
        return {tenant_id: max(0, self._tenant_concurrency - count) for tenant_id, count in busy.items()}

    async def _run(self, fetch: Fetch) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            await self._worker.run(fetch)
        except Exception as error:  # what came of it is not recorded: when the lease ends, it is tried again
            log.warning("fetch.unrecorded", upload_id=str(fetch.request.upload_id), error=type(error).__name__)
        finally:
            del self._running[task]
            metrics.IN_FLIGHT.set(len(self._running))
            self._wakeups.wake(FETCHES)  # a place is free again

    async def _give_back(self) -> None:
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


class WatchLoop:
    """Looks into every watch folder: when something changes there, when a file has settled, and now and then."""

    def __init__(self, outbox: Outbox, finding: Finding, changes: Changes, *, poll_seconds: float) -> None:
        self._wakeups = outbox.wakeups
        self._finding = finding
        self._changes = changes
        self._troubles: dict[UUID, str] = {}
        self._poll_seconds = poll_seconds

    async def run(self) -> None:
        while True:
            pause = await self.once()
            await asyncio.sleep(BREATH_SECONDS)  # many changes at once are one look
            await self._wakeups.wait(WATCH, timeout=pause)

    async def once(self) -> float:
        """One look into all of them; after how many seconds another one is due."""
        folders = await self._finding.folders()
        looks = await asyncio.gather(*map(self._look, folders))
        is_new = await self._changes.watch(frozenset().union(*(seen.directories for seen in looks)))
        waits = [seen.settled_in for seen in looks if seen.settled_in is not None]
        # What changed before the watching began was told by nobody.
        return 0 if is_new else min([self._poll_seconds, *waits])

    async def _look(self, folder: WatchFolder) -> Seen:
        try:
            seen = await self._finding.look(folder)
            self._troubles.pop(folder.id, None)
            return seen
        except PlaceUnavailableError as error:
            if self._troubles.get(folder.id) != str(error):  # not at every look
                log.warning("watch.unavailable", watch_folder_id=str(folder.id), error=str(error))
            self._troubles[folder.id] = str(error)
        except TRANSIENT_ERRORS as error:
            log.warning("watch.postponed", watch_folder_id=str(folder.id), error=type(error).__name__)
        except Exception as error:  # one folder's trouble is not the others'; its words may hold settings
            log.error("watch.stumbled", watch_folder_id=str(folder.id), error=type(error).__name__)
        return Seen()


class ClearingLoop:
    """Clears away files whose uploads have ended."""

    def __init__(self, outbox: Outbox, clearing: Clearing, *, poll_seconds: float) -> None:
        self._wakeups = outbox.wakeups
        self._clearing = clearing
        self._poll_seconds = poll_seconds

    async def run(self) -> None:
        while True:
            if not await self._cleared_some():
                await self._wakeups.wait(CLEARING, timeout=self._poll_seconds)

    async def _cleared_some(self) -> bool:
        try:
            return await self._clearing.once() > 0
        except TRANSIENT_ERRORS as error:
            log.warning("clearing.postponed", error=type(error).__name__)
            return False


class Upkeep:
    """Forgets what ended long ago, and shows how much waits."""

    def __init__(self, outbox: Outbox, *, retention: timedelta) -> None:
        self._outbox = outbox
        self._retention = retention

    async def run(self) -> None:
        while True:
            if not await self.once():
                await asyncio.sleep(UPKEEP_SECONDS)

    async def once(self) -> bool:
        """One batch; True when there may be more."""
        async with self._outbox.database.connection() as connection:
            store = IngestStore(connection)
            pending, oldest = await store.backlog()
            before = datetime.now(UTC) - self._retention
            deleted = await store.purge(before, PURGE_BATCH)
            forgotten = await WatchStore(connection).purge(before, PURGE_BATCH)
        metrics.PENDING.set(pending)
        metrics.OLDEST.set(oldest)
        return PURGE_BATCH in (deleted, forgotten)

"""Timers in: publications that are due, and upkeep."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from contracts.ids import TenantId
from libs.outbox.unit_of_work import Outbox
from libs.postgres.database import TRANSIENT_ERRORS
from services.delivery.publishing import metrics
from services.delivery.publishing.domain.publication import PUBLICATIONS, Claimed, Share
from services.delivery.publishing.store import PublicationStore
from services.delivery.publishing.usecases.outcome import Outcomes
from services.delivery.publishing.usecases.working import Worker

log = structlog.get_logger()

DRAIN_SECONDS: Final = 3.0
"""At a stop: an attempt that can end now need not be made again."""
SHORTEST_WAIT_SECONDS: Final = 0.01
UPKEEP_SECONDS: Final = 15.0
PURGE_BATCH: Final = 1000


class DispatchLoop:
    """Claims what is due as long as there are places, and runs each by itself."""

    def __init__(
        self,
        outbox: Outbox,
        outcomes: Outcomes,
        worker: Worker,
        *,
        concurrency: int,
        account_concurrency: int,
        tenant_concurrency: int,
        poll_seconds: float,
        drain_seconds: float = DRAIN_SECONDS,
    ) -> None:
        self._outbox = outbox
        self._outcomes = outcomes
        self._worker = worker
        self._concurrency = concurrency
        self._account_concurrency = account_concurrency
        self._tenant_concurrency = tenant_concurrency
        self._poll_seconds = poll_seconds
        self._drain_seconds = drain_seconds
        self._running: dict[asyncio.Task[None], TenantId] = {}

    async def run(self) -> None:
        try:
            while True:
                if not await self._started_some():
                    await self._outbox.wakeups.wait(PUBLICATIONS, timeout=await self._pause_seconds())
        finally:
            await self._stop()

    async def start_due(self) -> int:
        """Begins as many due publications as there are places for."""
        places = self._concurrency - len(self._running)
        if places <= 0:
            return 0
        running = Counter(self._running.values())
        claims = await self._outcomes.claim(Share(places, self._account_concurrency, self._tenant_concurrency, running))
        for claimed in claims:
            metrics.LATE.observe(claimed.late_seconds)
            self._running[asyncio.create_task(self._run(claimed))] = claimed.publication.tenant_id
        metrics.IN_FLIGHT.set(len(self._running))
        return len(claims)

    async def _started_some(self) -> bool:
        try:
            return await self.start_due() > 0
        except TRANSIENT_ERRORS as error:  # must not end the attempts under way
            log.warning("publications.claim-postponed", error=type(error).__name__)
            return False

    async def _pause_seconds(self) -> float:
        """Until something becomes due, if that is soon."""
        try:
            async with self._outbox.database.connection() as connection:
                seconds = await PublicationStore(connection).seconds_until_due()
        except TRANSIENT_ERRORS:
            seconds = None
        if seconds is None:
            return self._poll_seconds
        return min(self._poll_seconds, max(SHORTEST_WAIT_SECONDS, seconds))

    async def _run(self, claimed: Claimed) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            await self._worker.run(claimed)
        except Exception as error:  # what came of it is not recorded: when the lease ends, it is tried again
            log.warning("publication.unrecorded", publication_id=str(claimed.publication.id), error=type(error).__name__)
        finally:
            self._running.pop(task, None)
            metrics.IN_FLIGHT.set(len(self._running))
            self._outbox.wakeups.wake(PUBLICATIONS)  # a place is free again

    async def _stop(self) -> None:
        """Attempts that can end soon may; the others are given back."""
        if self._running:
            await asyncio.wait(self._running, timeout=self._drain_seconds)
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


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
        before = datetime.now(UTC) - self._retention
        async with self._outbox.database.connection() as connection:
            store = PublicationStore(connection)
            unended, overdue_seconds = await store.backlog()
            deleted = (
                await store.purge_publications(before, PURGE_BATCH),
                await store.purge_files(before, PURGE_BATCH),
            )
        metrics.OPEN.set(unended)
        metrics.OVERDUE.set(overdue_seconds)
        return PURGE_BATCH in deleted

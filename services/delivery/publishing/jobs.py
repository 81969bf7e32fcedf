"""Timers in: publications that are due, and upkeep."""

from datetime import timedelta
from typing import Final

from libs.jobs.worker import DRAIN_SECONDS, Worker
from libs.outbox.unit_of_work import Outbox
from services.delivery.publishing import metrics
from services.delivery.publishing.domain.outcome import Outcome
from services.delivery.publishing.domain.publication import Claimed
from services.delivery.publishing.store import PublicationStore
from services.delivery.publishing.usecases.cleaner import Cleaner

UPKEEP_SECONDS: Final = 30.0
PURGE_BATCH: Final = 1000


class Dispatcher:
    """The worker, and what it leaves to be tidied up."""

    def __init__(self, worker: Worker[Claimed, Outcome], cleaner: Cleaner) -> None:
        self._worker = worker
        self._cleaner = cleaner

    async def run(self) -> None:
        try:
            await self._worker.run()
        finally:
            await self._cleaner.stop(DRAIN_SECONDS)


class Upkeep:
    """Forgets what ended long ago, and shows how much waits."""

    def __init__(self, outbox: Outbox, *, retention: timedelta) -> None:
        self._outbox = outbox
        self._retention = retention

    async def once(self) -> bool:
        """One batch; True when there may be more."""
        async with self._outbox.database.connection() as connection:
            store = PublicationStore(connection)
            unended, overdue_seconds = await store.backlog()
            deleted = (
                await store.purge_publications(self._retention, PURGE_BATCH),
                await store.purge_files(self._retention, PURGE_BATCH),
            )
        metrics.OPEN.set(unended)
        metrics.OVERDUE.set(overdue_seconds)
        return PURGE_BATCH in deleted

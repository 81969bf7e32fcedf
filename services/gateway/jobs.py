"""Timers of the gateway: each has `once`, which `repeated` makes a loop."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from libs.outbox.unit_of_work import Outbox
from services.gateway.domain.submission import SubmissionState
from services.gateway.store import BatchStore, DeliveryLogStore, HistoryStore, ProjectCountStore, SubmissionStore, UsageStore
from services.gateway.store.history import TIMELINES
from services.gateway.usecases.publish import end_submission

BATCH: Final = 10_000
OVERDUE_BATCH: Final = 100
PURGE_BATCH: Final = 1000
HISTORY_STEP: Final = 2000
PAUSE_SECONDS: Final = 30.0
HISTORY_PAUSE_SECONDS: Final = 3600.0
FIRST: Final = UUID(int=0)

log = structlog.get_logger()


class FoldUsage:
    """Keeps the sums behind `GET /v2/media` and `GET /files/` short, however many files come and go."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def once(self) -> bool:
        """True when more may be waiting."""
        async with self._outbox.database.transaction() as connection:
            folded = await UsageStore(connection).fold(BATCH), await ProjectCountStore(connection).fold(BATCH)
        return BATCH in folded


class ExpireSubmissions:
    """Gives up uploads whose client never completed their session; what was reserved for them is free again."""

    def __init__(self, outbox: Outbox, clock: Callable[[], datetime]) -> None:
        self._outbox = outbox
        self._clock = clock

    async def once(self) -> bool:
        """True when more may be waiting."""
        now = self._clock()
        async with self._outbox.unit_of_work() as work:
            overdue = await SubmissionStore(work.connection).lock_overdue(now, OVERDUE_BATCH)
            for submission in overdue:
                await end_submission(work, submission, SubmissionState.EXPIRED, now)
        return len(overdue) == OVERDUE_BATCH


class ForgetBatches:
    """Forgets upload ids of the MediaLab API whose time was over long ago; the files that came under them stay."""

    def __init__(self, outbox: Outbox, clock: Callable[[], datetime], *, age: timedelta) -> None:
        self._outbox = outbox
        self._clock = clock
        self._age = age

    async def once(self) -> bool:
        """True when more may be waiting."""
        async with self._outbox.database.connection() as connection:
            return await BatchStore(connection).forget(self._clock() - self._age, PURGE_BATCH) == PURGE_BATCH


class PurgeHistory:
    """Forgets uploads that have had no file for long, step by step through all of them."""

    def __init__(self, outbox: Outbox, *, keep: timedelta) -> None:
        self._outbox = outbox
        self._keep = keep
        self._after = FIRST

    async def once(self) -> bool:
        """Looks at the next few uploads; False when it came to the last one."""
        async with self._outbox.database.transaction() as connection:
            store = HistoryStore(connection)
            last, over = await store.step(self._after, HISTORY_STEP, self._keep)
            if over:
                log.info("history.purged", uploads=await store.purge(over))
        self._after = last or FIRST
        return last is not None


class TimelineDays:
    """Makes the timeline's partitions ahead of time, and drops old ones where timelines are not kept for ever."""

    def __init__(self, outbox: Outbox, *, keep: timedelta | None) -> None:
        self._outbox = outbox
        self._keep = keep

    async def once(self) -> bool:
        async with self._outbox.database.transaction() as connection:
            await TIMELINES.maintain(connection, self._keep)
        return False


class PurgeDeliveryLog:
    """Forgets what was delivered to webhook endpoints long ago."""

    def __init__(self, outbox: Outbox, *, retention: timedelta) -> None:
        self._outbox = outbox
        self._retention = retention

    async def once(self) -> bool:
        """True when more may be waiting."""
        async with self._outbox.database.connection() as connection:
            purged = await DeliveryLogStore(connection).purge(self._retention, PURGE_BATCH)
        return purged == PURGE_BATCH

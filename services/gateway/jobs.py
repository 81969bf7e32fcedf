"""Timers of the gateway: each has `once`, which `repeated` makes a loop."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from libs.outbox.unit_of_work import Outbox
from services.gateway.domain.submission import SubmissionState
from services.gateway.store import BatchStore, DeliveryLogStore, ProjectCountStore, SubmissionStore, UsageStore
from services.gateway.usecases.publish import end_submission

BATCH: Final = 10_000
OVERDUE_BATCH: Final = 100
PURGE_BATCH: Final = 1000
PAUSE_SECONDS: Final = 15.0


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


class PurgeDeliveryLog:
    """Forgets what was delivered to webhook endpoints long ago."""

    def __init__(self, outbox: Outbox, *, retention: timedelta) -> None:
        self._outbox = outbox
        self._retention = retention

    async def once(self) -> bool:
        """True when more may be waiting."""
        async with self._outbox.database.connection() as connection:
            purged = await DeliveryLogStore(connection).purge(datetime.now(UTC) - self._retention, PURGE_BATCH)
        return purged == PURGE_BATCH

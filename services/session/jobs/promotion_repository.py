"""The promotions of one lane: sessions and the events about them in one commit."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from uuid import UUID

from libs.jobs.claim import ClaimLimits
from libs.outbox.unit_of_work import Outbox
from services.session.domain.lane import Lane
from services.session.domain.promotion import Outcome, Postponed, Promoted, PromotionJob, decide
from services.session.handlers import CLEANUP
from services.session.jobs.transition import change
from services.session.store import SessionStore


class PromotionRepository:
    def __init__(self, outbox: Outbox, lane: Lane, lease: timedelta) -> None:
        self._outbox = outbox
        self._lane = lane
        self._lease = lease

    async def claim(self, limits: ClaimLimits) -> Sequence[PromotionJob]:
        async with self._outbox.database.connection() as connection:
            return await SessionStore(connection).claim_promotions(self._lane, limits, self._lease)

    async def renew(self, jobs: Sequence[PromotionJob]) -> Collection[UUID]:
        async with self._outbox.database.connection() as connection:
            return await SessionStore(connection).renew(jobs, self._lease)

    async def record(self, results: Sequence[tuple[PromotionJob, Outcome]]) -> float | None:
        """What somebody else decided meanwhile (an abort) stays decided."""
        outcomes = {job.session.upload_id: outcome for job, outcome in results}
        async with self._outbox.unit_of_work() as work:
            store = SessionStore(work.connection)
            before, now = await store.lock_claimed([job for job, _ in results])
            if now is not None:
                await change(work, before, {key: decide(session, outcomes[key], now) for key, session in before.items()})
            copied = [key for key, outcome in outcomes.items() if isinstance(outcome, Promoted) and key not in before]
            if copied:
                await store.clean_orphans(copied)
                work.wake(CLEANUP)
            if postponed := [(job, outcome) for job, outcome in results if isinstance(outcome, Postponed)]:
                await store.postpone(postponed)
        return min((outcome.seconds for _, outcome in postponed), default=None)

    async def release(self, jobs: Sequence[PromotionJob]) -> None:
        async with self._outbox.database.connection() as connection:
            await SessionStore(connection).release(jobs)

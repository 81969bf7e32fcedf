"""The leases that a worker holds: renewed together in one statement, and lost in time."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final, Generic, Protocol, TypeVar
from uuid import UUID

import structlog

log = structlog.get_logger()

KEPT: Final = 0.8
"""Of its time: after so much of it another worker may soon have the job."""
RENEWAL_SECONDS: Final = 5.0
"""The longest pause between two renewals, and how long a job goes on at most after somebody else has ended it."""


class LeaseLostError(Exception):
    """The job is no longer ours: it was ended meanwhile, or another worker has taken over."""

    code = "lease_lost"


class Job(Protocol):
    @property
    def lease(self) -> UUID:
        """Of this claim alone."""

    @property
    def tenant_id(self) -> UUID:
        """Whose turn it is."""


J = TypeVar("J", bound=Job)


class Leases(Generic[J]):
    """`renew` answers the leases that still are ours. `lose` is called for each of the others, and for those that nobody could
    renew in time.
    """

    def __init__(
        self,
        seconds: float,
        renew: Callable[[Sequence[J]], Awaitable[Collection[UUID]]],
        lose: Callable[[J], None],
    ) -> None:
        self._seconds = seconds
        self._renew = renew
        self._lose = lose
        self._held: dict[UUID, tuple[J, float]] = {}
        """Lease → job, and when its time began."""

    def add(self, jobs: Sequence[J], asked_at: float) -> None:
        """`asked_at`: of the event loop's clock, before the claim was sent."""
        self._held |= {job.lease: (job, asked_at) for job in jobs}

    def remove(self, job: J) -> None:
        self._held.pop(job.lease, None)

    def __contains__(self, job: J) -> bool:
        return job.lease in self._held

    async def keep(self) -> None:
        """Renews them until it is cancelled."""
        pause = most = min(self._seconds / 3, RENEWAL_SECONDS)
        while True:
            await asyncio.sleep(max(0.0, min(pause, self._first_end() - _now())))
            pause = most if await self.renew() else most / 3

    async def renew(self) -> bool:
        """Once; False where the database could not be asked."""
        asked_at, jobs = _now(), [job for job, _ in self._held.values()]
        if not jobs:
            return True
        try:
            async with asyncio.timeout_at(self._first_end()):
                renewed = set(await self._renew(jobs))
        except Exception as error:
            log.warning("lease.renewal_failed", jobs=len(jobs), error=type(error).__name__)
            self._lose_all([job for job in jobs if job in self and self._end(job) <= _now()])
            return False
        self._held |= {job.lease: (job, asked_at) for job in jobs if job in self and job.lease in renewed}
        self._lose_all([job for job in jobs if job in self and job.lease not in renewed])
        return True

    def _lose_all(self, jobs: Sequence[J]) -> None:
        for job in jobs:
            self.remove(job)
            self._lose(job)

    def _end(self, job: J) -> float:
        return self._held[job.lease][1] + KEPT * self._seconds

    def _first_end(self) -> float:
        return min((began_at for _, began_at in self._held.values()), default=_now() + self._seconds) + KEPT * self._seconds


def _now() -> float:
    return asyncio.get_running_loop().time()

"""Claims jobs as slots become free, works them off under leases, and records what came of them in sets."""

import asyncio
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from typing import Final, Generic, Protocol, TypeVar
from uuid import UUID

import structlog

from libs.jobs.claim import ClaimLimits
from libs.jobs.drain import drain
from libs.jobs.lease import J, LeaseLostError, Leases
from libs.postgres.database import TRANSIENT_ERRORS
from libs.runtime.pace import Pace
from libs.runtime.poll import Poll
from libs.runtime.wakeup import Wakeups

log = structlog.get_logger()

POLL_SECONDS: Final = 1.0
"""Ten times as long at most (`Poll`): so long may a job wait for this process while another one, which got it, has no slot."""
DRAIN_SECONDS: Final = 3.0
"""For jobs under way at a stop: one that can end now need not be done again."""
STOP_SECONDS: Final = 3.0
"""For recording and giving back after that."""
RETRY_SECONDS: Final = 0.5
"""Before a database that was away is asked again."""

REMEMBERED_TENANTS: Final = 200

R = TypeVar("R")
R_contra = TypeVar("R_contra", contravariant=True)


class JobRepository(Protocol[J, R_contra]):
    """The jobs of one queue in the service's own tables. Each method is one transaction; all but `claim` name row and lease."""

    async def claim(self, limits: ClaimLimits) -> Sequence[J]:
        """Due jobs, as many as the limits allow; they are ours until their leases end."""

    async def renew(self, jobs: Sequence[J]) -> Collection[UUID]:
        """The leases among theirs that are still ours, which are longer now."""

    async def record(self, results: Sequence[tuple[J, R_contra]]) -> None:
        """Writes what came of the jobs and says so; where the lease is lost, nothing. May be called again with the same."""

    async def release(self, jobs: Sequence[J]) -> None:
        """Makes them due at once, as if nobody had claimed them."""


class Worker(Generic[J, R]):
    """`name` is the wake-up that says that a job is due; without one they are looked for after `poll_seconds`.

    `per_tenant` limits the jobs of one tenant that run here, where they may be slow for its sake. `abandon` tidies up after a
    job whose lease was lost.
    """

    def __init__(
        self,
        name: str,
        repository: JobRepository[J, R],
        handle: Callable[[J], Awaitable[R]],
        wakeups: Wakeups,
        *,
        slots: int,
        lease_seconds: float,
        per_tenant: int | None = None,
        poll_seconds: Callable[[], Awaitable[float]] | float = POLL_SECONDS,
        drain_seconds: float = DRAIN_SECONDS,
        abandon: Callable[[J], Awaitable[None]] | None = None,
    ) -> None:
        self._name = name
        self._repository = repository
        self._handle = handle
        self._wakeups = wakeups
        self._slots = slots
        self._per_tenant = per_tenant
        self._poll_seconds = poll_seconds
        self._poll = Poll(POLL_SECONDS if callable(poll_seconds) else poll_seconds)
        self._drain_seconds = drain_seconds
        self._abandon = abandon
        self._leases = Leases(lease_seconds, repository.renew, self._lose)
        self._running: dict[UUID, tuple[J, asyncio.Task[None]]] = {}
        self._results: list[tuple[J, R]] = []
        self._unfinished: list[J] = []
        """Cancelled by a stop, to be given back."""
        self._served: dict[UUID, None] = {}
        """Whose turns were the last ones, in their order."""
        self._changed = asyncio.Event()
        self._is_claim_due = False
        self._is_draining = False
        self._failure: BaseException | None = None

    async def run(self) -> None:
        """Until it is cancelled, and then until it has drained."""
        self._is_draining = False
        listening = asyncio.create_task(self._listen())
        try:
            await self._work()
        finally:
            await drain([listening])

    async def once(self) -> bool:
        """One claim, worked off and recorded to the end; False where nothing was due."""
        self._is_draining = False
        await self._claim()
        had_work, self._is_draining = bool(self._running), True
        await self._work()
        return had_work

    async def _listen(self) -> None:
        while True:
            self._is_claim_due = True
            self._changed.set()
            if await self._wakeups.wait(self._name, timeout=await self._pause_seconds()):
                self._poll.restart()

    async def _pause_seconds(self) -> float:
        if self._occupied:
            self._poll.restart()
        if not callable(self._poll_seconds):
            return self._poll.next_pause()
        try:
            return await self._poll_seconds()
        except Exception as error:
            log.warning("jobs.pause_unknown", worker=self._name, error=type(error).__name__)
            return POLL_SECONDS

    # ------------------------------------------------------------ the loop

    async def _work(self) -> None:
        """The loop is never cancelled within a statement: what a claim took, and what was recorded, is always known."""
        renewing = asyncio.create_task(self._leases.keep(), name=f"{self._name}.leases")
        stepping = asyncio.create_task(self._step_until_drained(), name=f"{self._name}.steps")
        try:
            await asyncio.shield(stepping)
        except asyncio.CancelledError:
            self._is_draining = True
            await drain([task for _, task in self._running.values()], self._drain_seconds)
            self._changed.set()
            await drain([stepping], STOP_SECONDS)
            raise
        finally:
            await drain([renewing])

    async def _step_until_drained(self) -> None:
        pace = Pace()
        while self._failure is None and (not self._is_draining or self._occupied or self._unfinished):
            await self._changed.wait()
            self._changed.clear()
            await pace.rest()
            try:
                with pace.batch():
                    await self._step()
            except Exception as error:  # the jobs go on, and their results stay
                if isinstance(error, TRANSIENT_ERRORS):
                    log.warning("jobs.database_unavailable", worker=self._name, error=type(error).__name__)
                else:
                    log.error("jobs.unexpected_error", worker=self._name, exc_info=error)
                await asyncio.sleep(RETRY_SECONDS)
                self._changed.set()
        if self._failure is not None:
            raise self._failure

    async def _step(self) -> None:
        if self._results:
            await self._record()
        if self._unfinished:
            await self._repository.release(self._unfinished)
            self._unfinished.clear()
        if self._is_claim_due and not self._is_draining:
            await self._claim()

    @property
    def _occupied(self) -> int:
        """Slots: a job has its own until its result is recorded."""
        return len(self._running) + len(self._results)

    async def _claim(self) -> None:
        free = self._slots - self._occupied
        if free <= 0:
            return
        asked_at, self._is_claim_due = asyncio.get_running_loop().time(), False
        running = Counter(job.tenant_id for job, _ in self._running.values())
        try:
            jobs = await self._repository.claim(ClaimLimits(free, self._per_tenant, running, tuple(self._served)))
        except BaseException:
            self._is_claim_due = True
            raise
        if self._is_draining:
            self._unfinished += jobs
            return
        self._is_claim_due |= len(jobs) >= free
        self._leases.add(jobs, asked_at)
        self._remember_turns(jobs)
        for job in jobs:
            self._running[job.lease] = job, asyncio.create_task(self._run(job), name=f"{self._name}.job")

    def _remember_turns(self, jobs: Sequence[J]) -> None:
        for job in jobs:
            self._served.pop(job.tenant_id, None)
            self._served[job.tenant_id] = None
        for tenant_id in list(self._served)[:-REMEMBERED_TENANTS]:
            del self._served[tenant_id]

    async def _record(self) -> None:
        results = self._results[:]
        try:
            await self._repository.record(results)
        except TRANSIENT_ERRORS:
            raise
        except Exception:  # one of them cannot be written, and shall not hold up the others
            for result in results:
                await self._record_alone(result)
        del self._results[: len(results)]
        for job, _ in results:
            self._leases.remove(job)

    async def _record_alone(self, result: tuple[J, R]) -> None:
        try:
            await self._repository.record([result])
        except TRANSIENT_ERRORS:
            raise
        except Exception as error:  # when the lease ends, the job is tried again
            log.error("job.result_not_saved", worker=self._name, lease=str(result[0].lease), exc_info=error)

    # ------------------------------------------------------------ a job

    async def _run(self, job: J) -> None:
        try:
            self._results.append((job, await self._handle(job)))
        except LeaseLostError:
            await self._give_up(job)
        except asyncio.CancelledError:
            if job not in self._leases:
                await self._give_up(job)
            elif self._is_draining:
                self._unfinished.append(job)
            else:
                self._leave(job, "cancelled from within")
        except Exception as error:
            self._leave(job, type(error).__name__, traceback.format_tb(error.__traceback__))
        except BaseException as error:  # it ends the process, or in tests stands for its death
            self._failure = error
        finally:
            del self._running[job.lease]
            self._is_claim_due |= self._per_tenant is not None  # a job may have waited for this one
            self._changed.set()

    def _lose(self, job: J) -> None:
        if job.lease in self._running:
            self._running[job.lease][1].cancel()

    async def _give_up(self, job: J) -> None:
        self._leases.remove(job)
        log.info("job.abandoned", worker=self._name, lease=str(job.lease))
        if self._abandon is not None:
            with suppress(Exception):
                await self._abandon(job)

    def _leave(self, job: J, error: str, where: Sequence[str] = ()) -> None:
        """To whoever claims it when the lease ends. The error's own words are not logged: they may name an address."""
        self._leases.remove(job)
        log.error("job.unexpected_error", worker=self._name, lease=str(job.lease), error=error, traceback=where)

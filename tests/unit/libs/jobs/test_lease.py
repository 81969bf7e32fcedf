"""A lease is renewed in time or lost, never kept for longer than others believe it to last."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest

from libs.jobs.lease import Leases


@dataclass(frozen=True)
class Job:
    lease: UUID = field(default_factory=uuid4)
    tenant_id: UUID = field(default_factory=uuid4)


class Clock:
    """The event loop's, as far as leases read it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = asyncio.get_running_loop().time()
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: self.now)


class Database:
    """Answers renewals."""

    def __init__(self) -> None:
        self.asked: list[set[UUID]] = []
        self.taken_over: set[UUID] = set()
        self.is_away = False

    async def renew(self, jobs: Sequence[Job]) -> Collection[UUID]:
        self.asked.append({job.lease for job in jobs})
        if self.is_away:
            raise ConnectionResetError
        return {job.lease for job in jobs} - self.taken_over


async def test_all_are_renewed_in_one_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, database = Clock(monkeypatch), Database()
    lost: list[Job] = []
    leases, jobs = Leases(30, database.renew, lost.append), [Job(), Job(), Job()]
    leases.add(jobs[:2], clock.now)
    leases.add(jobs[2:], clock.now)

    assert await leases.renew()

    assert database.asked == [{job.lease for job in jobs}]
    assert lost == []


async def test_one_that_another_worker_has_is_lost_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, database = Clock(monkeypatch), Database()
    lost: list[Job] = []
    leases, jobs = Leases(30, database.renew, lost.append), [Job(), Job()]
    leases.add(jobs, clock.now)
    database.taken_over = {jobs[0].lease}

    await leases.renew()

    assert lost == [jobs[0]]
    assert jobs[0] not in leases and jobs[1] in leases


async def test_while_the_database_is_away_they_are_kept_until_their_time_is_nearly_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, database = Clock(monkeypatch), Database()
    lost: list[Job] = []
    leases, earlier, later = Leases(30, database.renew, lost.append), Job(), Job()
    leases.add([earlier], clock.now)
    leases.add([later], clock.now + 5)
    database.is_away = True

    clock.now += 23.9
    assert not await leases.renew()
    assert lost == []
    clock.now += 0.1
    assert not await leases.renew()
    assert lost == [earlier]
    assert later in leases


async def test_its_time_counts_from_the_question_not_from_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, database = Clock(monkeypatch), Database()
    lost: list[Job] = []
    job = Job()

    async def slow(jobs: Sequence[Job]) -> Collection[UUID]:
        answer = await database.renew(jobs)
        clock.now += 5
        return answer

    leases = Leases(30, slow, lost.append)
    leases.add([job], clock.now)
    clock.now += 10
    await leases.renew()

    database.is_away = True
    clock.now += 18
    await leases.renew()
    assert lost == []
    clock.now += 1
    await leases.renew()
    assert lost == [job]


async def test_a_renewal_that_is_not_answered_in_time_loses_them() -> None:
    lost: list[Job] = []
    job = Job()

    async def silent(_jobs: Sequence[Job]) -> Collection[UUID]:
        await asyncio.Event().wait()
        return set()

    leases = Leases(0.01, silent, lost.append)
    leases.add([job], asyncio.get_running_loop().time())

    assert not await leases.renew()

    assert lost == [job]

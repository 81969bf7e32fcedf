"""What every queue can rely on, whichever service it belongs to."""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from deploy.postgres.embedded import EmbeddedPostgres
from libs.jobs.claim import ClaimLimits
from libs.jobs.lease import LeaseLostError
from libs.outbox.unit_of_work import Outbox
from libs.postgres.database import Database
from libs.runtime.wakeup import Wakeups
from tests.clock import turn_clock
from tests.contract.jobs.conftest import running, until
from tests.contract.jobs.task import Task, TaskRepository, worker_of

ROOT = Path(__file__).parents[3]
TENANT, OTHER = uuid4(), uuid4()
SLOW = -1
"""The number of a task that is slower than all others."""


class Handler:
    """Tasks end when the test says so: the slow one, or all of them."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.started: list[Task] = []
        self.cancelled: list[Task] = []
        self.may_end = asyncio.Event()
        self.slots = asyncio.Semaphore(0)
        """Each release lets one task end, where all of them wait."""
        self._hangs = hangs

    async def __call__(self, task: Task) -> str:
        self.started.append(task)
        try:
            if task.number == SLOW:
                await self.may_end.wait()
            elif self._hangs:
                await self.slots.acquire()
        except asyncio.CancelledError:
            self.cancelled.append(task)
            raise
        return f"done {task.number}"

    async def has_started(self, count: int = 1) -> None:
        async def started() -> bool:
            return len(self.started) >= count

        await until(started)


async def test_each_task_is_done_once_by_several_workers(tasks: TaskRepository) -> None:
    ids = await tasks.add(TENANT, *range(200))
    handlers = [Handler() for _ in range(3)]

    async def all_are_done() -> bool:
        return len(await tasks.results()) == 200

    async with running(*(worker_of(tasks, handler) for handler in handlers)):
        await until(all_are_done)

    assert Counter(task.id for handler in handlers for task in handler.started) == Counter(ids)
    assert {(await tasks.task(one))["records"] for one in ids} == {1}


async def test_results_that_are_there_together_are_recorded_together(tasks: TaskRepository) -> None:
    await tasks.add(TENANT, *range(100))

    assert await worker_of(tasks, Handler(), slots=100).once()

    assert tasks.sets == [100]


async def test_a_slot_is_refilled_while_another_task_is_slow(tasks: TaskRepository) -> None:
    await tasks.add(TENANT, SLOW, *range(20))
    handler = Handler()

    async def others_are_done() -> bool:
        return len(await tasks.results()) == 20

    async with running(worker_of(tasks, handler, slots=2)):
        await until(others_are_done)
        handler.may_end.set()
        await until(lambda: _is(tasks, 21))


async def test_a_task_of_a_killed_worker_is_taken_over(tasks: TaskRepository, dsn: str) -> None:
    command = [sys.executable, str(Path(__file__).with_name("worker_process.py")), dsn]
    [task_id] = await tasks.add(TENANT, 1)
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}) as process:
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == b"working\n"
        process.kill()
        process.wait()

    async with running(worker_of(tasks, Handler())):
        await until(lambda: _is(tasks, 1))

    assert (await tasks.task(task_id))["claims"] == 2


async def test_a_task_that_was_postponed_is_claimed_when_it_is_due(tasks: TaskRepository) -> None:
    [task_id] = await tasks.add(TENANT, 1)

    async def handle(_task: Task) -> str:
        return "done" if (await tasks.task(task_id))["claims"] == 3 else "again"

    async with running(worker_of(tasks, handle, poll_seconds=3600)):
        await until(lambda: _is(tasks, 1))

    assert (await tasks.task(task_id))["records"] == 3


async def test_a_lost_lease_cancels_the_task_and_nothing_is_recorded(tasks: TaskRepository) -> None:
    tasks.lease_seconds = 1
    [task_id] = await tasks.add(TENANT, SLOW)
    handler, abandoned = Handler(), asyncio.Event()

    async def abandon(_task: Task) -> None:
        abandoned.set()

    async with running(worker_of(tasks, handler, abandon=abandon)):
        await handler.has_started()
        await tasks.take_over()
        await abandoned.wait()

    assert [task.id for task in handler.cancelled] == [task_id]
    assert (await tasks.task(task_id))["result"] is None


async def test_a_result_under_a_lost_lease_is_void(tasks: TaskRepository) -> None:
    [task_id] = await tasks.add(TENANT, 1)

    async def overtaken(_task: Task) -> str:
        await tasks.take_over()
        return "too late"

    assert await worker_of(tasks, overtaken).once()

    assert (await tasks.task(task_id))["result"] is None


async def test_a_task_that_finds_its_lease_lost_is_abandoned(tasks: TaskRepository) -> None:
    [task_id] = await tasks.add(TENANT, 1)
    abandoned: list[Task] = []

    async def lost(_task: Task) -> str:
        raise LeaseLostError

    async def abandon(task: Task) -> None:
        abandoned.append(task)

    assert await worker_of(tasks, lost, abandon=abandon).once()

    assert [task.id for task in abandoned] == [task_id]
    assert (await tasks.task(task_id))["lease"] is not None


async def test_a_task_that_lasts_longer_than_its_lease_keeps_it(tasks: TaskRepository) -> None:
    tasks.lease_seconds = 1
    [task_id] = await tasks.add(TENANT, SLOW)
    handler, other = Handler(), Handler()
    first = None

    async def is_longer() -> bool:
        due_at = (await tasks.task(task_id))["due_at"]
        return first is not None and (due_at - first).total_seconds() > 2 * tasks.lease_seconds

    async with running(worker_of(tasks, handler), worker_of(tasks, other)):
        await until(lambda: _any([handler, other]))
        first = (await tasks.task(task_id))["due_at"]
        await until(is_longer)
        handler.may_end.set()
        other.may_end.set()
        await until(lambda: _is(tasks, 1))

    assert (await tasks.task(task_id))["claims"] == 1


async def test_tasks_go_on_while_the_database_is_away_and_are_recorded_when_it_is_back(own_server: EmbeddedPostgres) -> None:
    database = Database(own_server.dsn, "ingest")
    await database.open()
    tasks = TaskRepository(Outbox(database, Wakeups()))
    [task_id] = await tasks.add(TENANT, SLOW)
    handler = Handler()

    async def was_refused_twice() -> bool:
        return len(tasks.sets) >= 2

    async with running(worker_of(tasks, handler)):
        await handler.has_started()
        await asyncio.to_thread(own_server.stop)
        handler.may_end.set()
        await until(was_refused_twice)
        await asyncio.to_thread(own_server.start)
        await until(lambda: _is(tasks, 1))

    task = await tasks.task(task_id)
    assert (task["claims"], task["records"], handler.cancelled) == (1, 1, [])
    await database.close()


async def test_a_database_that_is_silent_for_a_lease_ends_the_task(
    tasks: TaskRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks.lease_seconds = 1
    await tasks.add(TENANT, SLOW)
    handler, never = Handler(), asyncio.Event()

    async def silent(_tasks: object) -> set[object]:
        await never.wait()
        return set()

    monkeypatch.setattr(tasks, "renew", silent)

    async def is_cancelled() -> bool:
        return bool(handler.cancelled)

    async with running(worker_of(tasks, handler)):
        await until(is_cancelled)
    assert await tasks.results() == []


async def test_a_result_that_cannot_be_written_holds_up_no_other(tasks: TaskRepository) -> None:
    [poisonous] = await tasks.add(TENANT, SLOW)
    await tasks.add(TENANT, *range(9))

    async def handle(task: Task) -> str:
        return "\0" if task.number == SLOW else "fine"  # PostgreSQL has no text with this character

    assert await worker_of(tasks, handle, slots=10).once()

    assert await tasks.results() == ["fine"] * 9
    assert (await tasks.task(poisonous))["lease"] is not None, "it is tried again when its lease has ended"


async def test_a_task_that_raises_is_left_until_its_lease_ends(tasks: TaskRepository) -> None:
    [task_id] = await tasks.add(TENANT, 1)

    async def fail(_task: Task) -> str:
        raise ZeroDivisionError

    assert await worker_of(tasks, fail).once()
    assert not await worker_of(tasks, fail).once()

    assert (await tasks.task(task_id))["lease"] is not None


async def test_a_stop_lets_tasks_end_within_their_time(tasks: TaskRepository) -> None:
    await tasks.add(TENANT, SLOW)
    handler = Handler()
    async with running(worker_of(tasks, handler, drain_seconds=60)):
        await handler.has_started()
        asyncio.get_running_loop().call_later(0.1, handler.may_end.set)

    assert await tasks.results() == ["done -1"]


async def test_a_stop_cancels_what_does_not_end_and_gives_it_back(tasks: TaskRepository) -> None:
    [task_id] = await tasks.add(TENANT, SLOW)
    handler = Handler()
    async with running(worker_of(tasks, handler, drain_seconds=0.05)):
        await handler.has_started()

    assert [task.id for task in handler.cancelled] == [task_id]
    assert (await tasks.task(task_id))["lease"] is None
    assert await worker_of(tasks, _done).once()


async def test_a_stop_within_a_claim_gives_back_what_that_took(tasks: TaskRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    [task_id] = await tasks.add(TENANT, 1)
    claim, claimed, may_answer = tasks.claim, asyncio.Event(), asyncio.Event()

    async def slow_claim(limits: ClaimLimits) -> object:
        found = await claim(limits)
        claimed.set()
        await may_answer.wait()
        return found

    monkeypatch.setattr(tasks, "claim", slow_claim)
    handler = Handler()
    async with running(worker_of(tasks, handler)):
        await claimed.wait()
        asyncio.get_running_loop().call_later(0.05, may_answer.set)

    assert handler.started == []
    assert (await tasks.task(task_id))["lease"] is None


@pytest.mark.parametrize("slots", [1, 2])
async def test_a_tenant_with_many_tasks_does_not_delay_anothers_first(tasks: TaskRepository, slots: int) -> None:
    await tasks.add(TENANT, *range(2000))
    handler = Handler(hangs=True)
    async with running(worker_of(tasks, handler, slots=slots)):
        await handler.has_started(slots)
        await tasks.add(OTHER, 2000, 2001)

        for _ in range(4):
            handler.slots.release()
            await handler.has_started(len(handler.started) + 1)

    assert [task.tenant_id for task in handler.started[slots:]] == [OTHER, TENANT, OTHER, TENANT]


async def test_tenants_take_turns_within_one_claim(tasks: TaskRepository) -> None:
    tenants = [uuid4() for _ in range(5)]
    for tenant in tenants:
        await tasks.add(tenant, *range(50))

    claimed = await tasks.claim(ClaimLimits(12, None, {tenants[0]: 2}))

    counts = Counter(task.tenant_id for task in claimed)
    assert counts[tenants[0]] == 1, "two of its tasks run already"
    assert sorted(counts.values()) == [1, 2, 3, 3, 3]


async def test_a_claim_is_full_however_many_tenants_share_it(tasks: TaskRepository) -> None:
    for _ in range(120):
        await tasks.add(uuid4(), 1)

    assert len(await tasks.claim(ClaimLimits(100, None, {}))) == 100
    assert len(await tasks.claim(ClaimLimits(100, None, {}))) == 20


async def test_every_tenant_has_its_turn_however_many_there_are(tasks: TaskRepository) -> None:
    tenants = [UUID(int=number) for number in range(1, 151)]
    for tenant in tenants:
        await tasks.add(tenant, *range(20))
    turns: list[UUID] = []
    ended = asyncio.Event()

    async def handle(task: Task) -> str:
        turns.append(task.tenant_id)
        if len(turns) == 2 * len(tenants):
            ended.set()
        return "done"

    async with running(worker_of(tasks, handle, slots=1)):
        await ended.wait()

    assert set(turns[: 2 * len(tenants)]) == set(tenants)


async def test_a_tenant_gets_no_more_than_its_share_however_many_slots_are_free(tasks: TaskRepository) -> None:
    await tasks.add(TENANT, *range(10))
    handler = Handler(hangs=True)
    async with running(worker_of(tasks, handler, slots=8, per_tenant=3)):
        await handler.has_started(3)
        await tasks.add(OTHER, 1)
        await handler.has_started(4)
        handler.slots.release()
        await handler.has_started(5)

    assert [task.tenant_id for task in handler.started] == [TENANT] * 3 + [OTHER, TENANT]


async def test_two_claims_at_the_same_time_share_the_tasks(tasks: TaskRepository) -> None:
    await tasks.add(TENANT, *range(20))
    limits = ClaimLimits(10, None, {})
    async with tasks.outbox.database.transaction() as other:
        await other.execute("SELECT FROM task ORDER BY due_at LIMIT 10 FOR UPDATE")
        claimed = await tasks.claim(limits)

    assert sorted(task.number for task in claimed) == list(range(10, 20))


@pytest.mark.parametrize("skew_seconds", [-3600, 3600])
async def test_the_clock_of_the_process_does_not_matter(
    tasks: TaskRepository, monkeypatch: pytest.MonkeyPatch, skew_seconds: int
) -> None:
    turn_clock(monkeypatch, skew_seconds)
    [task_id] = await tasks.add(TENANT, SLOW)
    handler = Handler()
    async with running(worker_of(tasks, handler)):
        await handler.has_started()
        assert 0 < (await tasks.task(task_id))["due_in"].total_seconds() <= tasks.lease_seconds
        handler.may_end.set()
        await until(lambda: _is(tasks, 1))


async def _done(_task: Task) -> str:
    return "done"


async def _is(tasks: TaskRepository, count: int) -> bool:
    return len(await tasks.results()) == count


async def _any(handlers: list[Handler]) -> bool:
    return any(handler.started for handler in handlers)

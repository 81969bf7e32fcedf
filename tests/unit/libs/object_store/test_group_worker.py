"""What waits for a thread is worked on together, and each item has its own outcome."""

import asyncio
import threading
from collections.abc import Iterator, Sequence

import pytest

from libs.object_store.group_worker import CROWD, GroupWorker, one_by_one


class Work:
    """Remembers its groups; the first ones wait until the test lets them go on."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.began = threading.Semaphore(0)
        self.goes_on = threading.Event()

    def __call__(self, items: Sequence[int]) -> list[int | BaseException]:
        self.groups.append(list(items))
        self.began.release()
        assert self.goes_on.wait(20)
        return [ValueError(item) if item < 0 else item * 2 for item in items]


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def worker(work: Work) -> Iterator[GroupWorker[int, int]]:
    worker = GroupWorker[int, int]("test", work, most=5)
    yield worker
    work.goes_on.set()
    worker.close()


async def begun(worker: GroupWorker[int, int], work: Work) -> "asyncio.Task[int]":
    """The first call, which is being worked on."""
    first = asyncio.create_task(worker.call(1))
    await asyncio.to_thread(work.began.acquire)
    return first


async def test_what_arrives_while_the_thread_is_busy_goes_together(worker: GroupWorker[int, int], work: Work) -> None:
    first = await begun(worker, work)
    others = [asyncio.create_task(worker.call(number)) for number in range(2, 9)]
    await asyncio.sleep(0)
    from_a_thread = worker.submit(9)
    work.goes_on.set()
    assert await asyncio.gather(first, *others) == [number * 2 for number in range(1, 9)]
    assert from_a_thread.result(20) == 18
    assert work.groups == [[1], [2, 3, 4, 5, 6], [7, 8, 9]]


async def test_an_item_that_fails_harms_no_other(worker: GroupWorker[int, int], work: Work) -> None:
    first = await begun(worker, work)
    others = [asyncio.create_task(worker.call(number)) for number in (2, -3, 4)]
    await asyncio.sleep(0)
    work.goes_on.set()
    outcomes = await asyncio.gather(first, *others, return_exceptions=True)
    assert [outcome if isinstance(outcome, int) else type(outcome) for outcome in outcomes] == [2, 4, ValueError, 8]


async def test_work_that_fails_as_a_whole_fails_all_of_it_and_goes_on() -> None:
    def fail_once(items: Sequence[int]) -> Sequence[int]:
        if items == [1]:
            raise OSError("broken")
        return items

    worker = GroupWorker[int, int]("test", fail_once)
    with pytest.raises(OSError, match="broken"):
        await worker.call(1)
    assert await worker.call(2) == 2
    worker.close()


async def test_a_caller_that_is_cancelled_waits_for_the_end(worker: GroupWorker[int, int], work: Work) -> None:
    first = await begun(worker, work)
    first.cancel()
    await asyncio.sleep(0)
    assert not first.done()
    work.goes_on.set()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert await worker.call(2) == 4


async def test_a_crowd_is_worth_another_thread(work: Work) -> None:
    worker = GroupWorker[int, int]("test", work, threads=2)
    first = await begun(worker, work)
    others = [asyncio.create_task(worker.call(number)) for number in range(CROWD)]
    await asyncio.to_thread(work.began.acquire)
    assert work.groups == [[1], list(range(CROWD))]
    work.goes_on.set()
    await asyncio.gather(first, *others)
    worker.close()


def test_one_by_one_each_has_its_own_outcome() -> None:
    def half(number: int) -> int:
        if number % 2:
            raise ValueError(number)
        return number // 2

    outcomes = one_by_one(half)([2, 3, 4])
    assert [outcome if isinstance(outcome, int) else type(outcome) for outcome in outcomes] == [1, ValueError, 2]

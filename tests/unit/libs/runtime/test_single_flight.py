"""Work that is asked for by many and done once."""

import asyncio

import pytest

from libs.runtime.single_flight import BusyError, SingleFlight


class Work:
    def __init__(self) -> None:
        self.begun = 0
        self.may_end = asyncio.Event()
        self.fails = False

    async def __call__(self) -> int:
        self.begun += 1
        await self.may_end.wait()
        if self.fails:
            raise ValueError("no")
        return self.begun


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_all_who_ask_for_the_same_get_one_answer() -> None:
    flights: SingleFlight[int] = SingleFlight(running=1, waiting=0)
    work = Work()
    asking = [asyncio.create_task(flights.run("key", work)) for _ in range(20)]
    await settle()
    work.may_end.set()

    assert await asyncio.gather(*asking) == [1] * 20
    assert await flights.run("key", work) == 2


async def test_a_failure_is_everybodys_and_is_not_kept() -> None:
    flights: SingleFlight[int] = SingleFlight(running=1, waiting=0)
    work = Work()
    work.fails = True
    asking = [asyncio.create_task(flights.run("key", work)) for _ in range(3)]
    await settle()
    work.may_end.set()

    assert [type(end) for end in await asyncio.gather(*asking, return_exceptions=True)] == [ValueError] * 3
    work.fails = False
    assert await flights.run("key", work) == 2


async def test_no_more_runs_and_waits_than_may() -> None:
    flights: SingleFlight[int] = SingleFlight(running=2, waiting=1)
    work = Work()
    asking = [asyncio.create_task(flights.run(number, work)) for number in range(3)]
    await settle()

    assert work.begun == 2
    with pytest.raises(BusyError):
        await flights.run("another", work)
    work.may_end.set()
    assert sorted(await asyncio.gather(*asking)) == [2, 2, 3]
    assert await flights.run("another", work) == 4


async def test_one_owner_takes_no_more_than_its_share() -> None:
    flights: SingleFlight[int] = SingleFlight(running=1, waiting=9, of_one=2)
    work = Work()
    asking = [asyncio.create_task(flights.run(number, work, owner="greedy")) for number in range(2)]
    await settle()

    with pytest.raises(BusyError):
        await flights.run("third", work, owner="greedy")
    asking.append(asyncio.create_task(flights.run("other", work, owner="modest")))
    work.may_end.set()
    assert sorted(await asyncio.gather(*asking)) == [1, 2, 3]
    assert await flights.run("third", work, owner="greedy") == 4


async def test_the_work_outlives_those_who_asked_but_not_the_service() -> None:
    flights: SingleFlight[int] = SingleFlight(running=1, waiting=1)
    work = Work()
    first = asyncio.create_task(flights.run("key", work))
    await settle()
    first.cancel()
    second = asyncio.create_task(flights.run("key", work))
    await settle()
    assert (work.begun, second.done()) == (1, False)

    await flights.close()
    with pytest.raises(asyncio.CancelledError):
        await second

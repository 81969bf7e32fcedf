"""A lease is extended in time or lost, never kept for longer than others believe it to last."""

import asyncio

import pytest

from libs.runtime.lease import Lease


class Clock:
    """The event loop's, as far as a lease reads it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = asyncio.get_running_loop().time()
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: self.now)


async def test_it_is_extended_at_a_third_of_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    lease = Lease(30)

    assert lease.pause_seconds == pytest.approx(10)
    assert not lease.is_older_than(10)
    clock.now += 10
    assert lease.is_older_than(10)
    assert lease.is_older_than(600)


async def test_it_counts_from_the_question_not_from_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    lease = Lease(30)
    clock.now += 10
    async with lease.extending():
        clock.now += 5

    clock.now += 18
    assert not lease.is_lost
    assert lease.pause_seconds == pytest.approx(1)
    clock.now += 1
    assert lease.is_lost


async def test_nobody_waits_longer_than_it_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    lease = Lease(30)
    clock.now += 24

    assert lease.is_lost
    assert lease.pause_seconds == 0


async def test_what_does_not_answer_in_time_loses_it() -> None:
    lease = Lease(0.01)

    with pytest.raises(TimeoutError):
        async with lease.extending():
            await asyncio.Event().wait()

    assert lease.is_lost

"""Blocking calls in a thread of their own: in order, and nobody has to wait for one that hangs."""

import asyncio
import subprocess
import sys
from threading import Event

import pytest

from libs.runtime.own_thread import OwnThread


async def test_calls_are_answered_in_order() -> None:
    thread = OwnThread("test")
    answers = await asyncio.gather(*(thread.run(divmod, number, 2) for number in range(5)))
    thread.end()

    assert answers == [divmod(number, 2) for number in range(5)]


async def test_what_a_call_raises_comes_out() -> None:
    thread = OwnThread("test")
    with pytest.raises(ZeroDivisionError):
        await thread.run(divmod, 1, 0)
    assert await thread.run(divmod, 1, 1) == (1, 0)
    thread.end()


async def test_the_last_call_comes_after_one_that_hung() -> None:
    goes_on, done = Event(), asyncio.Event()
    order: list[str] = []
    loop = asyncio.get_running_loop()
    thread = OwnThread("test")

    def hang() -> None:
        goes_on.wait()
        order.append("hung")

    def last() -> None:
        order.append("last")
        loop.call_soon_threadsafe(done.set)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await thread.run(hang)
    thread.end(last)
    assert thread.is_alive
    goes_on.set()
    await done.wait()

    assert order == ["hung", "last"]


def test_a_process_ends_although_a_call_hangs() -> None:
    program = """
import asyncio, threading
from libs.runtime.own_thread import OwnThread

async def main():
    thread = OwnThread("test")
    hanging = threading.Event()

    def hang():
        hanging.set()
        threading.Event().wait()

    asyncio.create_task(thread.run(hang))
    await asyncio.to_thread(hanging.wait)

asyncio.run(main())
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)

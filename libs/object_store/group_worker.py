"""A thread that works on everything that waits for it together.

While it is busy, what arrives meanwhile waits and goes together as the next group. Under no load nobody waits for anybody;
under load a wake-up of the thread, one of the event loop, and whatever the work can share are paid once for many.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import groupby
from typing import Any, Generic, TypeVar

from libs.object_store.uninterrupted import uninterrupted

Item = TypeVar("Item")
Result = TypeVar("Result")

CROWD = 8
"""So many that wait are worth another thread, where there may be one."""

_Waiter = Future[Any] | asyncio.Future[Any]


class GroupWorker(Generic[Item, Result]):
    """`work` takes items, at most `most` of them, and answers a result or an exception for each, in order."""

    def __init__(
        self,
        name: str,
        work: Callable[[Sequence[Item]], Sequence[Result | BaseException]],
        *,
        most: int = 64,
        threads: int = 1,
    ) -> None:
        self._work = work
        self._most = most
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Item, _Waiter]] = deque()
        self._busy = 0
        self._max_busy = threads
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)

    def submit(self, item: Item) -> "Future[Result]":
        """For threads. The future cannot be cancelled."""
        future: Future[Result] = Future()
        future.set_running_or_notify_cancel()
        self._enqueue(item, future)
        return future

    async def call(self, item: Item) -> Result:
        """For the event loop. Cancelled, it still waits for the end of the work."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._enqueue(item, future)
        return await uninterrupted(future)

    def close(self) -> None:
        """Waits for what was submitted. Blocking."""
        self._threads.shutdown()

    def _enqueue(self, item: Item, waiter: _Waiter) -> None:
        with self._lock:
            self._waiting.append((item, waiter))
            wakes = self._busy < self._max_busy and (not self._busy or len(self._waiting) >= CROWD)
            self._busy += wakes
        if wakes:
            self._threads.submit(self._run)

    def _run(self) -> None:
        while group := self._take():
            try:
                outcomes = self._work([item for item, _ in group])
            except BaseException as error:
                outcomes = [error] * len(group)
            _deliver([(waiter, outcome) for (_, waiter), outcome in zip(group, outcomes, strict=True)])

    def _take(self) -> list[tuple[Item, _Waiter]]:
        with self._lock:
            group = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
            self._busy -= not group
        return group


def one_by_one(work: Callable[[Item], Result]) -> Callable[[Sequence[Item]], list[Result | BaseException]]:
    """For items that share nothing but the way to a thread and back."""

    def tried(item: Item) -> Result | BaseException:
        try:
            return work(item)
        except Exception as error:
            return error

    return lambda items: [tried(item) for item in items]


def _deliver(settled: Sequence[tuple[_Waiter, Any]]) -> None:
    for waiter, outcome in settled:
        if isinstance(waiter, Future):
            _settle(waiter, outcome)
    awaited = [(waiter, outcome) for waiter, outcome in settled if isinstance(waiter, asyncio.Future)]
    for loop, of_loop in groupby(awaited, key=lambda each: each[0].get_loop()):
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(_settle_all, list(of_loop))


def _settle_all(settled: Sequence[tuple[_Waiter, Any]]) -> None:
    for waiter, outcome in settled:
        if not waiter.done():
            _settle(waiter, outcome)


def _settle(waiter: _Waiter, outcome: Any) -> None:
    if isinstance(outcome, BaseException):
        waiter.set_exception(outcome)
    else:
        waiter.set_result(outcome)

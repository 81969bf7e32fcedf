"""Expensive work done once for all who ask for the same at the same time, and never too much of it at once."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class BusyError(Exception):
    """More work waits already than is let wait."""

    code = "busy"


class SingleFlight(Generic[T]):
    """At most `running` pieces of work at once and `waiting` behind them; of one owner at most `of_one` of both."""

    def __init__(self, *, running: int, waiting: int, of_one: int | None = None) -> None:
        self._slots = asyncio.Semaphore(running)
        self._most = running + waiting
        self._of_one = of_one or self._most
        self._owned: Counter[Hashable] = Counter()
        self._flights: dict[Hashable, asyncio.Task[T]] = {}

    async def run(self, key: Hashable, work: Callable[[], Awaitable[T]], *, owner: Hashable = None) -> T:
        """What `work` answers or raises; whoever asks for `key` meanwhile gets the same, without new work.

        The work goes on when those who wait for it are cancelled. Raises BusyError.
        """
        flight = self._flights.get(key)
        if flight is None:
            if len(self._flights) >= self._most or self._owned[owner] >= self._of_one:
                raise BusyError
            self._owned[owner] += 1
            flight = self._flights[key] = asyncio.create_task(self._work(work))
            flight.add_done_callback(lambda ended: self._land(key, owner, ended))
        return await asyncio.shield(flight)

    async def close(self) -> None:
        """Cancels what is under way and waits for its end."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    async def _work(self, work: Callable[[], Awaitable[T]]) -> T:
        async with self._slots:
            return await work()

    def _land(self, key: Hashable, owner: Hashable, ended: "asyncio.Task[T]") -> None:
        self._flights.pop(key, None)
        self._owned[owner] -= 1
        if not self._owned[owner]:
            del self._owned[owner]
        if not ended.cancelled():
            ended.exception()  # seen, even where nobody waits any more

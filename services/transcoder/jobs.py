"""The loops: jobs run from the database under leases, never from a held message."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from libs.runtime.wakeup import Wakeups
from services.transcoder import metrics
from services.transcoder.domain.job import Lane
from services.transcoder.usecases.cleaning import Cleaner
from services.transcoder.usecases.outcome import Outcomes
from services.transcoder.usecases.sniffing import Sniffer
from services.transcoder.usecases.working import Worker

BATCH: Final = 50
POLL_SECONDS: Final = 2.0
COUNT_SECONDS: Final = 15.0
FORGET_SECONDS: Final = 600.0


class SniffLoop:
    """Takes what is new, up to `BATCH` together."""

    def __init__(self, outcomes: Outcomes, sniffer: Sniffer, wakeups: Wakeups) -> None:
        self._outcomes = outcomes
        self._sniffer = sniffer
        self._wakeups = wakeups

    async def once(self) -> bool:
        jobs = await self._outcomes.claim("sniff", BATCH)
        if jobs:
            with metrics.SECONDS.labels("sniff").time():
                await self._sniffer.run(jobs)
        return bool(jobs)

    async def run(self) -> None:
        await _forever(self.once, self._wakeups, "sniff")


class WorkLoop:
    """Takes one job of its lane after the other; several loops of one lane work side by side."""

    def __init__(self, lane: Lane, outcomes: Outcomes, worker: Worker, wakeups: Wakeups) -> None:
        self._lane = lane
        self._outcomes = outcomes
        self._worker = worker
        self._wakeups = wakeups

    async def once(self) -> bool:
        jobs = await self._outcomes.claim(self._lane)
        for job in jobs:
            self._wakeups.wake(self._lane)  # one wake-up may stand for several jobs: let the next loop look too
            with metrics.SECONDS.labels(self._lane).time():
                await self._worker.run(job)
        return bool(jobs)

    async def run(self) -> None:
        await _forever(self.once, self._wakeups, self._lane)


class CleanLoop:
    def __init__(self, cleaner: Cleaner, wakeups: Wakeups) -> None:
        self._cleaner = cleaner
        self._wakeups = wakeups

    async def run(self) -> None:
        await _forever(self._cleaner.once, self._wakeups, "clean")


class CountLoop:
    """Keeps the queue gauge true."""

    def __init__(self, outcomes: Outcomes) -> None:
        self._outcomes = outcomes

    async def run(self) -> None:
        while True:
            depths = await self._outcomes.depths()
            for lane in ("sniff", "quick", "video"):
                metrics.QUEUE.labels(lane).set(depths.get(lane, 0))
            await asyncio.sleep(COUNT_SECONDS)


async def _forever(once: Callable[[], Awaitable[bool]], wakeups: Wakeups, name: str) -> None:
    while True:
        if not await once():
            await wakeups.wait(name, timeout=POLL_SECONDS)

"""The loops: jobs run from the database under leases, never from a held message."""

from typing import Final

from libs.runtime.wakeup import Wakeups
from services.transcoder import metrics
from services.transcoder.usecases.outcome import Outcomes
from services.transcoder.usecases.sniffing import Sniffer

BATCH: Final = 50
POLL_SECONDS: Final = 2.0


class SniffLoop:
    """Takes what is new, up to `BATCH` together."""

    def __init__(self, outcomes: Outcomes, sniffer: Sniffer, wakeups: Wakeups) -> None:
        self._outcomes = outcomes
        self._sniffer = sniffer
        self._wakeups = wakeups

    async def once(self) -> bool:
        jobs = await self._outcomes.claim("sniff", BATCH)
        if not jobs:
            return False
        with metrics.SECONDS.labels("sniff").time():
            await self._sniffer.run(jobs)
        return True

    async def run(self) -> None:
        while True:
            if not await self.once():
                await self._wakeups.wait("sniff", timeout=POLL_SECONDS)

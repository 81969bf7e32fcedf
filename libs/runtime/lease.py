"""When the lease on a piece of work has to be extended, and when it counts as lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

KEPT: Final = 0.8
"""Of its time: after so much of it another worker may soon have the work."""


class Lease:
    """Taken now, for `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._now = asyncio.get_running_loop().time
        self._seconds = seconds
        self._extended_at = self._now()

    @property
    def is_lost(self) -> bool:
        """Nobody could be asked for too long."""
        return self._now() >= self._ends_at

    def is_older_than(self, seconds: float) -> bool:
        """It is `seconds`, or the third of its time, since it was extended."""
        return self._now() >= self._extended_at + min(seconds, self._seconds / 3)

    @property
    def pause_seconds(self) -> float:
        """Until it should be extended, or is lost."""
        return max(0.0, min(self._seconds / 3, self._ends_at - self._now()))

    @asynccontextmanager
    async def extending(self) -> AsyncIterator[None]:
        """Around what extends it, which has until it is lost. Raises TimeoutError."""
        asked_at = self._now()
        async with asyncio.timeout_at(self._ends_at):
            yield
        self._extended_at = asked_at

    @property
    def _ends_at(self) -> float:
        return self._extended_at + KEPT * self._seconds

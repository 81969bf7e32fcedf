"""The pace of a loop that works in batches: under load it makes fewer and larger ones, alone it waits for nothing."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST_REST_SECONDS = 0.02


class Pace:
    """After a batch a loop rests as long as the batch took, so that what arrives meanwhile goes together as the next one.

    A transaction costs about the same for one row as for fifty. Without a rest a loop that keeps up with its work takes it
    row by row and uses a whole processor for that; with it the batches grow with the load. Whoever comes when the rest is
    over waits for nothing.
    """

    def __init__(self, longest_seconds: float = LONGEST_REST_SECONDS) -> None:
        self._longest_seconds = longest_seconds
        self._rested_at = 0.0

    @contextmanager
    def batch(self) -> Iterator[None]:
        now = asyncio.get_running_loop().time
        started_at = now()
        try:
            yield
        finally:
            ended_at = now()
            self._rested_at = ended_at + min(ended_at - started_at, self._longest_seconds)

    async def rest(self) -> None:
        """Returns when the rest after the last batch is over; at once where it is."""
        seconds = self._rested_at - asyncio.get_running_loop().time()
        if seconds > 0:
            await asyncio.sleep(seconds)

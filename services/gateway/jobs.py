"""Timers of the gateway."""

import asyncio
from typing import Final

from libs.outbox.unit_of_work import Outbox
from services.gateway.store import UsageStore

BATCH: Final = 10_000
PAUSE_SECONDS: Final = 15.0


class FoldUsage:
    """Keeps the sum behind `GET /v2/media` short, however many files come and go."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def run(self) -> None:
        while True:
            if not await self.once():
                await asyncio.sleep(PAUSE_SECONDS)

    async def once(self) -> bool:
        """True when more may be waiting."""
        async with self._outbox.database.transaction() as connection:
            return await UsageStore(connection).fold(BATCH) == BATCH

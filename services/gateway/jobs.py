"""Timers of the gateway."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

from libs.outbox.unit_of_work import Outbox
from services.gateway.store import DeliveryLogStore, UsageStore

BATCH: Final = 10_000
PAUSE_SECONDS: Final = 15.0
PURGE_BATCH: Final = 1000


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


class PurgeDeliveryLog:
    """Forgets what was delivered to webhook endpoints long ago."""

    def __init__(self, outbox: Outbox, *, retention: timedelta) -> None:
        self._outbox = outbox
        self._retention = retention

    async def run(self) -> None:
        while True:
            if not await self.once():
                await asyncio.sleep(PAUSE_SECONDS)

    async def once(self) -> bool:
        """True when more may be waiting."""
        async with self._outbox.database.connection() as connection:
            purged = await DeliveryLogStore(connection).purge(datetime.now(UTC) - self._retention, PURGE_BATCH)
        return purged == PURGE_BATCH

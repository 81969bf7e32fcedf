"""Tidies up at destinations after publications that failed for good."""

import asyncio
from contextlib import suppress
from typing import Final

from contracts.events import JsonObject
from libs.jobs.drain import drain
from services.delivery.publishing.domain.publication import Claimed
from services.delivery.publishing.usecases.attempting import Attempting

CLEAN_SECONDS: Final = 30.0
"""For one destination; what cannot be tidied up stays."""


class Cleaner:
    def __init__(self, attempting: Attempting) -> None:
        self._attempting = attempting
        self._cleaning: set[asyncio.Task[None]] = set()

    def start(self, claimed: Claimed, state: JsonObject | None) -> None:
        task = asyncio.create_task(self._clean(claimed, state))
        self._cleaning.add(task)
        task.add_done_callback(self._cleaning.discard)

    async def stop(self, seconds: float) -> None:
        await drain(self._cleaning, seconds)

    async def _clean(self, claimed: Claimed, state: JsonObject | None) -> None:
        with suppress(Exception):
            async with asyncio.timeout(CLEAN_SECONDS):
                await self._attempting.give_up(claimed, state)

"""In-process wake-ups: a committed change tells the loop that waits for it, so that polling is only the fallback."""

import asyncio
from collections import defaultdict
from contextlib import suppress


class Wakeups:
    """Named flags, one registry per service. Setting one twice before it is seen wakes once."""

    def __init__(self) -> None:
        self._events: dict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def wake(self, name: str) -> None:
        self._events[name].set()

    async def wait(self, name: str, timeout: float) -> bool:
        """Returns when `name` was woken, at the latest after `timeout` seconds; whether it was woken."""
        event = self._events[name]
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await event.wait()
        was_woken = event.is_set()
        event.clear()
        return was_woken

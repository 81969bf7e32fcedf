"""An ordered stop of tasks."""

import asyncio
from collections.abc import Iterable
from typing import Any


async def drain(tasks: Iterable["asyncio.Task[Any]"], seconds: float = 0) -> None:
    """Lets them end within `seconds`, cancels the others and returns when all have ended."""
    running = set(tasks)
    if running and seconds > 0:
        _, running = await asyncio.wait(running, timeout=seconds)
    for task in running:
        task.cancel()
    if running:
        await asyncio.wait(running)

"""Waiting for work that must not outlive whoever asked for it."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import TypeVar

_T = TypeVar("_T")


async def uninterrupted(work: Awaitable[_T]) -> _T:
    """The work's result. Cancelled, it still waits for the end before it says so.

    What the work holds (a file, a socket, a part on its way) must not be closed or undone under it.
    """
    future = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        while not future.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([future])
        if not future.cancelled():
            future.exception()
        raise

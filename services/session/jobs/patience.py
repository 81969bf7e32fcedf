"""Another try where the database was away for a moment, or had to break a deadlock: the work behind it was long."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from libs.postgres.database import TRANSIENT_ERRORS

log = structlog.get_logger()

PAUSES = (0.1, 0.5, 2.0, 4.0)
"""Seconds; together shorter than any lease."""


async def patiently(transaction: Callable[[], Awaitable[None]]) -> None:
    """`transaction` must be one that changes nothing when it was committed already. Raises what its last try raises."""
    for pause in PAUSES:
        try:
            return await transaction()
        except TRANSIENT_ERRORS as error:
            log.warning("database.retried", error=type(error).__name__)
        await asyncio.sleep(pause)
    return await transaction()

"""Connections to RabbitMQ. They do not heal themselves: whoever holds one replaces it when it is lost."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import aiormq
import structlog
from aiormq.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import AMQPConnectionError
from yarl import URL

log = structlog.get_logger()

CONNECT_SECONDS = 5
HEARTBEAT_SECONDS = 10


async def connect(url: str, name: str) -> AbstractConnection:
    """`name` is what the broker's operator sees. Raises OSError, TimeoutError or AMQPError."""
    address = URL(url).update_query(heartbeat=str(HEARTBEAT_SECONDS), name=name)
    async with asyncio.timeout(CONNECT_SECONDS):
        with uncancelled():
            return await aiormq.connect(address)


async def close(connection: AbstractConnection) -> None:
    """Says goodbye; never raises, never takes long. Whoever still waits for an answer gets an AMQPConnectionError."""
    async with _quietly(), asyncio.timeout(CONNECT_SECONDS):
        await connection.close(AMQPConnectionError("closed here"))


async def cancel(channel: AbstractChannel, consumer_tag: str) -> None:
    """Ends a consumer without waiting for the broker; never raises."""
    if not channel.is_closed:
        async with _quietly(), asyncio.timeout(CONNECT_SECONDS):
            await channel.basic_cancel(consumer_tag, nowait=True)


@contextmanager
def uncancelled() -> Iterator[None]:
    """The library answers CancelledError where a connection or a channel ends under a call: that becomes AMQPConnectionError.

    It would end the task that called; only the task's own cancellation may do that.
    """
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise AMQPConnectionError("it ended under a call") from error


@asynccontextmanager
async def _quietly() -> AsyncIterator[None]:
    try:
        with uncancelled():
            yield
    except Exception as error:
        log.debug("bus.goodbye_failed", error=type(error).__name__)

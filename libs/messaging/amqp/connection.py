"""Connections to RabbitMQ. They do not heal themselves: whoever holds one replaces it when it is lost."""

import asyncio

import aiormq
from aiormq.abc import AbstractConnection
from yarl import URL

CONNECT_SECONDS = 5
HEARTBEAT_SECONDS = 15


async def connect(url: str, name: str) -> AbstractConnection:
    """`name` is what the broker's operator sees. Raises OSError, TimeoutError or AMQPError."""
    address = URL(url).update_query(heartbeat=str(HEARTBEAT_SECONDS), name=name)
    async with asyncio.timeout(CONNECT_SECONDS):
        return await aiormq.connect(address)


async def close(connection: AbstractConnection) -> None:
    """Says goodbye; never raises, never takes long."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await connection.close()
    except (Exception, asyncio.CancelledError):
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise

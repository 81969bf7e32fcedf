"""What ends under a call ends the call, never the task that made it."""

import asyncio

import pytest
from aiormq.exceptions import AMQPConnectionError

from libs.messaging.amqp.connection import uncancelled


async def call_that_the_library_cancels() -> None:
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    answer.cancel()
    with uncancelled():
        await answer


async def test_a_cancellation_of_the_library_is_a_lost_connection() -> None:
    with pytest.raises(AMQPConnectionError):
        await call_that_the_library_cancels()


async def test_the_tasks_own_cancellation_passes() -> None:
    async def wait() -> None:
        with uncancelled():
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_timeout_stays_one() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            with uncancelled():
                await asyncio.Event().wait()

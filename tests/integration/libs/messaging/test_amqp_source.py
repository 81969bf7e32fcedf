"""Raw messages from a queue that another program fills, on a real broker."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from uuid import uuid4

import aio_pika
import pytest
import pytest_asyncio
from aio_pika.abc import AbstractChannel

from libs.messaging import amqp_source
from libs.messaging.amqp_source import AmqpSource
from libs.messaging.topology import Topology

QUEUE = f"storage-events-{uuid4().hex}"


@pytest_asyncio.fixture
async def url(declare_topology: Callable[[Topology], Awaitable[str]]) -> str:
    return await declare_topology(Topology({}))


@pytest_asyncio.fixture
async def channel(url: str) -> AsyncIterator[AbstractChannel]:
    """With the queue on it."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(QUEUE, durable=True)
        yield channel
        await queue.delete(if_unused=False, if_empty=False)


async def publish(channel: AbstractChannel, *bodies: bytes) -> None:
    for body in bodies:
        await channel.default_exchange.publish(aio_pika.Message(body), QUEUE)


async def left(channel: AbstractChannel) -> int | None:
    return (await channel.declare_queue(QUEUE, passive=True)).declaration_result.message_count


class Taken:
    """Fails for each body the first `failures` times."""

    def __init__(self, failures: int = 0) -> None:
        self.bodies: list[bytes] = []
        self._failures = failures
        self._changed = asyncio.Event()

    async def __call__(self, body: bytes) -> None:
        if self._failures > 0:
            self._failures -= 1
            raise ConnectionRefusedError
        self.bodies.append(body)
        self._changed.set()

    async def until(self, count: int) -> list[bytes]:
        async with asyncio.timeout(20):
            while len(self.bodies) < count:
                self._changed.clear()
                await self._changed.wait()
        return sorted(self.bodies)


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_each_message_is_taken_and_acknowledged(url: str, channel: AbstractChannel) -> None:
    taken = Taken()
    await publish(channel, b"1", b"2", b"3")

    running = asyncio.create_task(AmqpSource(url, QUEUE, taken).run())
    assert await taken.until(3) == [b"1", b"2", b"3"]
    await stop(running)

    assert await left(channel) == 0


async def test_a_message_that_could_not_be_taken_comes_again(
    url: str, channel: AbstractChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amqp_source, "PAUSE_SECONDS", 0.01)
    taken = Taken(failures=3)
    await publish(channel, b"1", b"2")

    running = asyncio.create_task(AmqpSource(url, QUEUE, taken).run())
    assert await taken.until(2) == [b"1", b"2"]
    await stop(running)


async def test_a_queue_that_disappears_ends_the_run_so_that_it_is_started_again(url: str, channel: AbstractChannel) -> None:
    taken = Taken()
    running = asyncio.create_task(AmqpSource(url, QUEUE, taken).run())
    await publish(channel, b"1")
    await taken.until(1)

    await (await channel.get_queue(QUEUE)).delete(if_unused=False, if_empty=False)

    with pytest.raises(ConnectionError):
        async with asyncio.timeout(20):
            await running

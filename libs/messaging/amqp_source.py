"""Raw messages from a queue that somebody else fills, e.g. an object store with its notifications."""

import asyncio
from collections.abc import Awaitable, Callable

import aio_pika
import structlog
from aio_pika.abc import AbstractIncomingMessage

log = structlog.get_logger()

Take = Callable[[bytes], Awaitable[None]]
"""Returns when the message is dealt with for good; raises to see it again."""

PAUSE_SECONDS = 1
"""Before a message that was not taken goes back into its queue."""


class AmqpSource:
    """Hands each message of one queue to `take`, several at a time, and acknowledges it afterwards.

    The queue must exist; it is not declared here. Delivery is at least once.
    """

    def __init__(self, url: str, queue: str, take: Take, *, prefetch: int = 100) -> None:
        self._url = url
        self._queue = queue
        self._take = take
        self._prefetch = prefetch

    async def run(self) -> None:
        """Until it is cancelled; raises when the connection or the queue is lost, so that its supervisor starts it again."""
        connection = await aio_pika.connect(self._url, timeout=10, heartbeat=15)
        async with connection:
            channel = await connection.channel(publisher_confirms=False)
            await channel.set_qos(prefetch_count=self._prefetch)
            queue = await channel.get_queue(self._queue, ensure=True)
            lost = asyncio.Event()
            for closing in (connection, channel):
                closing.close_callbacks.add(lambda *_: lost.set())
            # The broker ends a consumer whose queue is deleted; the channel stays open.
            underlay = await channel.get_underlay_channel()
            underlay.on_consumer_cancel_callbacks.add(lambda _frame: lost.set())
            await queue.consume(self._handle)
            await lost.wait()
        raise ConnectionError(f"the queue {self._queue} is no longer consumed")

    async def _handle(self, message: AbstractIncomingMessage) -> None:
        try:
            await self._take(message.body)
        except Exception as error:
            log.warning("amqp_source.requeued", queue=self._queue, error=type(error).__name__)
            await asyncio.sleep(PAUSE_SECONDS)
            await message.nack(requeue=True)
        else:
            await message.ack()

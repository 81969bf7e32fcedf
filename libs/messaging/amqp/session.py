"""One connection with a consumer for each subscription. It lives until anything about it breaks; then it is replaced whole."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from aiormq.abc import AbstractConnection

from libs.messaging.amqp.connection import close, connect, uncancelled
from libs.messaging.amqp.consumer import Consumer, Publish
from libs.messaging.port import Deliver, Subscription

START_SECONDS = 30.0
"""For all consumers together; a broker that does not answer is asked anew."""


class Session:
    def __init__(
        self, subscriptions: Sequence[tuple[Subscription, Deliver]], publish: Publish, tiers: Sequence[timedelta]
    ) -> None:
        self.lost = asyncio.Event()
        self._consumers = [Consumer(*subscribed, publish, tiers, self.lost.set) for subscribed in subscriptions]
        self._connection: AbstractConnection | None = None

    async def start(self, url: str, name: str) -> None:
        """Raises what `connect` raises, ChannelNotFoundEntity where a queue is missing, TimeoutError."""
        self._connection = await connect(url, f"{name} consume")
        self._watch(self._connection.closing)
        async with asyncio.timeout(START_SECONDS):
            for consumer in self._consumers:
                with uncancelled():
                    channel = await consumer.start(self._connection)
                self._watch(channel.closing)

    async def stop(self, timeout: float) -> None:
        await asyncio.gather(*(consumer.stop(timeout) for consumer in self._consumers))
        if self._connection is not None:
            await close(self._connection)

    def _watch(self, closing: "asyncio.Future[object]") -> None:
        closing.add_done_callback(lambda _closing: self.lost.set())

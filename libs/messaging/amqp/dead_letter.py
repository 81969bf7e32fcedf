"""Dead letters on RabbitMQ: the queue `dead.<service>`.

Looking means getting without acknowledging: when the connection ends, everything that was looked at is back in its place.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp.commands import Basic

from libs.messaging.amqp.connection import close, connect
from libs.messaging.amqp.message import QUEUE, REASON, attempt, headers, replayed
from libs.messaging.amqp.publisher import Publisher
from libs.messaging.dead_letter import DeadLetter
from libs.messaging.port import BusUnavailableError
from libs.messaging.topology import dead_queue


class RabbitMqDeadLetters:
    def __init__(self, url: str, service: str) -> None:
        self._url = url
        self._service = service

    async def list(self, limit: int = 100) -> Sequence[DeadLetter]:
        async with self._channel() as channel:
            return [_read(message) async for message in self._messages(channel, limit)]

    async def show(self, message_id: str) -> DeadLetter | None:
        async with self._channel() as channel:
            async for message in self._messages(channel):
                if _id(message) == message_id:
                    return _read(message)
        return None

    async def replay(self, message_id: str | None = None) -> int:
        publisher = Publisher(self._url, "dead letters publish")
        count = 0
        try:
            async with self._channel() as channel:
                async for message in self._messages(channel):
                    if message_id in (None, _id(message)):
                        (error,) = await publisher.publish([replayed(message, _origin(message))])
                        if error is not None:
                            raise BusUnavailableError(f"{_id(message)} stays a dead letter: {error}")
                        await channel.basic_ack(_tag(message))
                        count += 1
        finally:
            await publisher.close()
        return count

    async def _messages(self, channel: AbstractChannel, limit: int | None = None) -> AsyncIterator[DeliveredMessage]:
        """Each once: ends where one comes again that died anew meanwhile."""
        seen: set[str] = set()
        while limit is None or len(seen) < limit:
            message = await channel.basic_get(dead_queue(self._service))
            if isinstance(message.delivery, Basic.GetEmpty) or _id(message) in seen:
                return
            seen.add(_id(message))
            yield message

    @asynccontextmanager
    async def _channel(self) -> AsyncIterator[AbstractChannel]:
        connection = await connect(self._url, "dead letters")
        try:
            yield await connection.channel(publisher_confirms=False)
        finally:
            await close(connection)


def _read(message: DeliveredMessage) -> DeadLetter:
    return DeadLetter(
        message_id=_id(message),
        event_type=message.header.properties.message_type or "unknown",
        queue=_origin(message),
        reason=str(headers(message).get(REASON) or _death(message).get("reason", "unknown")),
        attempts=attempt(message),
        body=message.body.decode(errors="replace"),
        died_at=_death(message).get("time"),
    )


def _origin(message: DeliveredMessage) -> str:
    """From our own header, or from the broker's where it was the broker that gave up (`delivery-limit`)."""
    return str(headers(message).get(QUEUE) or _death(message).get("queue", ""))


def _death(message: DeliveredMessage) -> dict[str, Any]:
    deaths = headers(message).get("x-death")
    return deaths[0] if isinstance(deaths, list) and deaths else {}


def _id(message: DeliveredMessage) -> str:
    return message.header.properties.message_id or ""


def _tag(message: DeliveredMessage) -> int:
    assert message.delivery_tag is not None
    return message.delivery_tag

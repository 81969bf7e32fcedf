"""Which data a broker holds: the first message of a stream, which is there as long as the data is.

A broker that lost everything, and one that was set up anew under the same name, holds another one or none. A stream is read
without taking anything out, by any number of readers at once, and what lies first in it stays first: where several services
plant a message at the same time, all of them take the same one for the name.
"""

import asyncio
from uuid import uuid4

from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from libs.messaging.amqp.connection import uncancelled
from libs.messaging.amqp.message import Outgoing
from libs.messaging.amqp.publisher import Publisher
from libs.messaging.port import BusUnavailableError
from libs.messaging.topology import GENERATION

READ_SECONDS = 5.0
"""A message that is there comes within milliseconds."""


async def generation(publisher: Publisher) -> str:
    """The name of the broker's data, which is given one where it has none. Raises BusUnavailableError."""
    found = await _read(publisher)
    if found is None:
        properties = Basic.Properties(message_id=str(uuid4()), delivery_mode=2)
        (error,) = await publisher.publish([Outgoing("", GENERATION, b"", properties)])
        if error is not None:
            raise BusUnavailableError(f"cannot name the broker's data: {error}")
        found = await _read(publisher)
    if found is None:
        raise BusUnavailableError(f"the stream {GENERATION} keeps nothing")
    return found


async def _read(publisher: Publisher) -> str | None:
    """The id of the first message of the stream; None where there is none."""
    first: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def take(message: DeliveredMessage) -> None:
        if not first.done():
            first.set_result(message.header.properties.message_id or "")

    try:
        with uncancelled():
            channel = await (await publisher.open()).connection.channel(publisher_confirms=False)
            try:
                await channel.basic_qos(prefetch_count=1)
                await channel.basic_consume(GENERATION, take, arguments={"x-stream-offset": "first"})
                async with asyncio.timeout(READ_SECONDS):
                    return await first
            except TimeoutError:
                return None
            finally:
                await channel.close()
    except Exception as error:
        raise BusUnavailableError(f"cannot read {GENERATION}: {type(error).__name__}") from error

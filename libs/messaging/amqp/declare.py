"""Declares a topology over AMQP alone, for a broker that nobody prepared: queue arguments take the place of policies."""

from aiormq.abc import AbstractConnection
from aiormq.exceptions import ChannelNotFoundEntity

from libs.messaging.amqp.connection import close, connect
from libs.messaging.topology import Queue, Topology


async def declare(url: str, topology: Topology) -> None:
    """Makes what is missing. A queue that exists stays as it is, whatever its arguments: the deployment's word counts."""
    connection = await connect(url, "declare")
    try:
        channel = await connection.channel(publisher_confirms=False)
        for name, kind in topology.exchanges.items():
            await channel.exchange_declare(name, exchange_type=kind, durable=True)
        for queue in topology.queues:
            if not await _exists(connection, queue):
                settings = queue.policy.settings if queue.policy else {}
                arguments = {f"x-{key}": value for key, value in settings.items()}
                await channel.queue_declare(queue.name, durable=True, arguments={**queue.arguments, **arguments})
            for routing_key in queue.routing_keys:
                await channel.queue_bind(queue.name, queue.exchange, routing_key)
    finally:
        await close(connection)


async def delete(url: str, topology: Topology) -> None:
    """Takes away everything that `declare` makes, messages included."""
    connection = await connect(url, "delete")
    try:
        channel = await connection.channel(publisher_confirms=False)
        for queue in topology.queues:
            await channel.queue_delete(queue.name)
        for name in topology.exchanges:
            await channel.exchange_delete(name)
    finally:
        await close(connection)


async def _exists(connection: AbstractConnection, queue: Queue) -> bool:
    channel = await connection.channel(publisher_confirms=False)
    try:
        await channel.queue_declare(queue.name, passive=True)
    except ChannelNotFoundEntity:
        return False
    await channel.close()
    return True

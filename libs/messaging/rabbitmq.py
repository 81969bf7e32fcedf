"""RabbitMQ as the bus: confirmed publishing, one consumer per subscription, retry tiers and dead letters on the broker.

Publishing, moving failed messages and consuming have a connection each: a broker that blocks publishers (memory or disk alarm)
does not stop acknowledgements. Services only check the topology (`libs.messaging.topology`), deployment declares it.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import structlog

from contracts.envelope import EncodedEvent
from libs.messaging.amqp.connection import uncancelled
from libs.messaging.amqp.generation import generation
from libs.messaging.amqp.message import Outgoing, published
from libs.messaging.amqp.publisher import Publisher
from libs.messaging.amqp.session import Session
from libs.messaging.port import BusUnavailableError, Deliver, Subscription
from libs.messaging.retry import TIERS
from libs.messaging.topology import EVENTS

log = structlog.get_logger()

STOP_SECONDS = 10.0
CHECK_SECONDS = 2.0
RECONNECT_SECONDS = 1.0


class RabbitMqBus:
    """`url`: `amqp(s)://user:password@host:port/vhost`. `name` shows in the broker's list of connections."""

    def __init__(self, url: str, name: str, tiers: Sequence[timedelta] = TIERS) -> None:
        self._url = url
        self._name = name
        self._tiers = tiers
        self._events = Publisher(url, f"{name} publish")
        self._failed = Publisher(url, f"{name} retry")
        self._subscriptions: list[tuple[Subscription, Deliver]] = []
        self._session: Session | None = None
        self._keeping: asyncio.Task[None] | None = None

    def subscribe(self, subscription: Subscription, deliver: Deliver) -> None:
        self._subscriptions.append((subscription, deliver))

    async def publish(self, events: Sequence[EncodedEvent]) -> Sequence[Exception | None]:
        outgoing = [published(event) for event in events]
        answers = iter(await self._events.publish([message for message in outgoing if isinstance(message, Outgoing)]))
        return [next(answers) if isinstance(message, Outgoing) else message for message in outgoing]

    async def generation(self) -> str:
        return await generation(self._events)

    async def start(self) -> None:
        """Raises BusUnavailableError when the broker cannot be reached or its topology is not the deployed one."""
        await self._check_exchange()
        self._session = await self._consume()
        self._keeping = asyncio.create_task(self._keep(self._session), name="bus")

    async def stop(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait({self._keeping})
            self._keeping = None
        if self._session is not None:
            await self._session.stop(STOP_SECONDS)
            self._session = None
        await self._events.close()
        await self._failed.close()

    async def check(self) -> None:
        if self._session is None or self._session.lost.is_set():
            raise BusUnavailableError("not consuming")
        await self._check_exchange()

    async def _keep(self, session: Session) -> None:
        """Replaces the session whenever it is lost."""
        while True:
            await session.lost.wait()
            log.warning("bus.consuming_lost", bus=self._name)
            await session.stop(STOP_SECONDS)
            session = self._session = await self._consume_again()
            log.info("bus.consuming_again", bus=self._name)

    async def _consume_again(self) -> Session:
        while True:
            await asyncio.sleep(RECONNECT_SECONDS)
            try:
                return await self._consume()
            except BusUnavailableError as error:
                log.warning("bus.waiting", bus=self._name, error=str(error))

    async def _consume(self) -> Session:
        session = Session(self._subscriptions, self._failed.publish, self._tiers)
        try:
            await session.start(self._url, self._name)
        except BaseException as error:
            await session.stop(0)
            if not isinstance(error, Exception):
                raise
            raise BusUnavailableError(f"cannot consume: {type(error).__name__} {error}"[:300]) from error
        return session

    async def _check_exchange(self) -> None:
        """A round trip to the broker, on the connection that publishes."""
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                with uncancelled():
                    connection = (await self._events.open()).connection
                    channel = await connection.channel(publisher_confirms=False)
                    try:
                        await channel.exchange_declare(EVENTS, passive=True)
                    finally:
                        await channel.close()
        except Exception as error:
            raise BusUnavailableError(f"cannot publish: {type(error).__name__}") from error

"""What the bus suite needs of an adapter: services on a bus, a relay for each, their dead letters."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from uuid import UUID, uuid4

from contracts.events import Event, UploadExpired
from contracts.ids import TenantId, UploadId
from libs.messaging.amqp.dead_letter import RabbitMqDeadLetters
from libs.messaging.dead_letter import DeadLetters
from libs.messaging.dispatch import consumer
from libs.messaging.handler import Handlers, event_types
from libs.messaging.local import LocalBus
from libs.messaging.local_dead_letter import LocalDeadLetters
from libs.messaging.port import Bus, Subscription
from libs.messaging.rabbitmq import RabbitMqBus
from libs.messaging.topology import Topology
from libs.outbox.relay import Relay
from libs.outbox.unit_of_work import Outbox

TIERS = (timedelta(milliseconds=50), timedelta(milliseconds=150))
PUBLISHER = "session"

OpenOutbox = Callable[[str], Awaitable[Outbox]]
DeclareTopology = Callable[[Topology], Awaitable[str]]


def expired(upload_id: UUID | None = None) -> UploadExpired:
    return UploadExpired(upload_id=UploadId(upload_id or uuid4()), tenant_id=TenantId(uuid4()), version=3)


class Harness(ABC):
    """The service `session` publishes; the services given to `start` consume."""

    bus: Bus
    outbox: Outbox

    def __init__(self, open_outbox: OpenOutbox) -> None:
        self._open_outbox = open_outbox
        self._relays: list[asyncio.Task[None]] = []

    async def start(self, services: Mapping[str, Handlers], prefetch: int = 100) -> None:
        outboxes = {service: await self._open_outbox(service) for service in {PUBLISHER, *services}}
        self.outbox = outboxes[PUBLISHER]
        consumed = {service: tuple(event.type for event in event_types(handlers)) for service, handlers in services.items()}
        self.bus = await self._bus(outboxes, consumed)
        for service, handlers in services.items():
            self.bus.subscribe(Subscription(service, consumed[service], prefetch), consumer(outboxes[service], handlers))
        await self.bus.start()
        self._relays = [asyncio.create_task(Relay(outbox, self.bus).run()) for outbox in outboxes.values()]

    async def publish(self, *events: Event) -> None:
        async with self.outbox.unit_of_work() as work:
            for event in events:
                work.emit(event)

    async def pending(self) -> int:
        async with self.outbox.database.connection() as connection:
            return int(await connection.fetchval("SELECT coalesce(sum(event_count), 0) FROM outbox WHERE sent_at IS NULL"))

    async def stop(self) -> None:
        await self.bus.stop()
        for relay in self._relays:
            relay.cancel()
            with suppress(asyncio.CancelledError):
                await relay

    @abstractmethod
    async def _bus(self, outboxes: Mapping[str, Outbox], consumers: Mapping[str, Sequence[str]]) -> Bus: ...

    @abstractmethod
    def dead_letters(self, service: str) -> DeadLetters: ...


class LocalHarness(Harness):
    async def _bus(self, outboxes: Mapping[str, Outbox], consumers: Mapping[str, Sequence[str]]) -> Bus:
        self._databases = {service: outbox.database for service, outbox in outboxes.items()}
        return LocalBus(self._databases, TIERS)

    def dead_letters(self, service: str) -> DeadLetters:
        return LocalDeadLetters(self._databases[service])


class RabbitMqHarness(Harness):
    def __init__(self, open_outbox: OpenOutbox, declare_topology: DeclareTopology) -> None:
        super().__init__(open_outbox)
        self._declare_topology = declare_topology

    async def _bus(self, outboxes: Mapping[str, Outbox], consumers: Mapping[str, Sequence[str]]) -> Bus:
        self._url = await self._declare_topology(Topology(consumers, TIERS))
        return RabbitMqBus(self._url, "test", TIERS)

    def dead_letters(self, service: str) -> DeadLetters:
        return RabbitMqDeadLetters(self._url, service)


async def eventually(condition: Callable[[], bool | Awaitable[bool]], seconds: float = 20) -> None:
    """Waits for the condition, whatever it takes up to `seconds`."""
    async with asyncio.timeout(seconds):
        while True:
            met = condition()
            if met is True or (not isinstance(met, bool) and await met):
                return
            await asyncio.sleep(0.01)

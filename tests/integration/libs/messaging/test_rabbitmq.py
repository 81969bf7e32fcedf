"""What is RabbitMQ's own: its topology, its failures, what the broker does by itself."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from uuid import UUID

import aiormq
import pytest
import pytest_asyncio
from pamqp.commands import Basic

from contracts.events import UploadAborted, UploadExpired
from libs.messaging.amqp.dead_letter import RabbitMqDeadLetters
from libs.messaging.amqp.declare import declare, delete
from libs.messaging.amqp.message import Outgoing, published
from libs.messaging.amqp.publisher import Publisher, TooLargeError, UnroutableError
from libs.messaging.dispatch import consumer
from libs.messaging.handler import one_by_one
from libs.messaging.port import BusUnavailableError, Subscription, queue_of
from libs.messaging.rabbitmq import RabbitMqBus
from libs.messaging.topology import EVENTS, Topology, Version, definitions
from libs.outbox.relay import Relay
from libs.outbox.resend import Resend
from libs.outbox.unit_of_work import UnitOfWork, envelop
from tests.contract.bus_harness import TIERS, DeclareTopology, OpenOutbox, eventually, expired
from tests.servers.rabbitmq import RabbitMqServer

CONSUMERS = {"gateway": [UploadExpired.type]}
TOPOLOGY = Topology(CONSUMERS, TIERS)
QUEUE = queue_of("gateway")


class Gateway:
    """The only consumer in these tests."""

    def __init__(self, open_outbox: OpenOutbox) -> None:
        self._open_outbox = open_outbox
        self._buses: list[RabbitMqBus] = []
        self.handled: list[UUID] = []
        self.error: Exception | None = None
        self.failures = 0

    async def on_expired(self, event: UploadExpired, work: UnitOfWork) -> None:
        if self.error is not None:
            self.failures += 1
            raise self.error
        self.handled.append(event.upload_id)

    async def bus(self, url: str) -> RabbitMqBus:
        """Subscribed, not started."""
        bus = RabbitMqBus(url, "test", TIERS)
        outbox = await self._open_outbox("gateway")
        handlers = {one_by_one(self.on_expired): (UploadExpired,)}
        bus.subscribe(Subscription("gateway", (UploadExpired.type,)), consumer(outbox, handlers))
        self._buses.append(bus)
        return bus

    async def close(self) -> None:
        for bus in self._buses:
            await bus.stop()


@pytest_asyncio.fixture
async def gateway(open_outbox: OpenOutbox) -> AsyncIterator[Gateway]:
    service = Gateway(open_outbox)
    yield service
    await service.close()


async def test_without_its_topology_the_bus_does_not_start(rabbitmq: RabbitMqServer, gateway: Gateway) -> None:
    bus = await gateway.bus(rabbitmq.url(rabbitmq.vhosts[-1]))
    with pytest.raises(BusUnavailableError):
        await bus.start()
    with pytest.raises(BusUnavailableError):
        await bus.check()


async def test_a_missing_queue_is_noticed_before_consuming(declare_topology: DeclareTopology, gateway: Gateway) -> None:
    url = await declare_topology(Topology({"delivery": [UploadExpired.type]}, TIERS))
    bus = await gateway.bus(url)
    with pytest.raises(BusUnavailableError, match=QUEUE):
        await bus.start()


async def test_a_queue_that_vanishes_makes_the_bus_unready_until_it_is_back(
    declare_topology: DeclareTopology, gateway: Gateway
) -> None:
    url = await declare_topology(TOPOLOGY)
    bus = await gateway.bus(url)
    await bus.start()
    await delete(url, TOPOLOGY)
    await eventually(lambda: _unready(bus))
    await declare(url, TOPOLOGY)
    await eventually(lambda: _ready(bus))
    event = expired()
    assert await bus.publish([envelop(event, source="session").encode()]) == [None]
    await eventually(lambda: gateway.handled == [event.upload_id])


async def test_declaring_again_changes_nothing(declare_topology: DeclareTopology) -> None:
    url = await declare_topology(TOPOLOGY)
    await declare(url, Topology(CONSUMERS, TIERS, event_types=[UploadExpired.type]))
    await declare(url, TOPOLOGY)


async def test_an_unroutable_event_is_not_taken(declare_topology: DeclareTopology, gateway: Gateway) -> None:
    url = await declare_topology(Topology(CONSUMERS, TIERS, event_types=[]))
    bus = await gateway.bus(url)
    await bus.start()
    unknown = UploadAborted(**expired().model_dump(), reason="client")
    answers = await bus.publish([envelop(event, source="session").encode() for event in (expired(), unknown, expired())])
    assert [type(answer) for answer in answers] == [type(None), UnroutableError, type(None)]


async def test_an_event_that_is_too_large_holds_up_nobody(declare_topology: DeclareTopology, gateway: Gateway) -> None:
    bus = await gateway.bus(await declare_topology(TOPOLOGY))
    await bus.start()
    small, large = (envelop(expired(), source="session") for _ in range(2))
    large = large.model_copy(update={"data": large.data | {"more": "x" * 600_000}})
    almost = small.model_copy(update={"data": small.data | {"more": "x" * 500_000}})
    answers = await bus.publish([large.encode(), almost.encode()])
    assert [type(answer) for answer in answers] == [TooLargeError, type(None)]
    await eventually(lambda: gateway.handled == [UUID(small.subject)])


async def test_a_body_that_is_no_envelope_is_a_dead_letter(declare_topology: DeclareTopology, gateway: Gateway) -> None:
    url = await declare_topology(TOPOLOGY)
    bus = await gateway.bus(url)
    await bus.start()
    async with aiormq.connect(url) as connection:
        channel = await connection.channel()
        properties = Basic.Properties(message_id="no envelope", delivery_mode=2)
        await channel.basic_publish(b"{]", exchange=EVENTS, routing_key=UploadExpired.type, properties=properties)
    dead_letters = RabbitMqDeadLetters(url, "gateway")
    await eventually(lambda: _count(dead_letters, 1))
    (letter,) = await dead_letters.list()
    assert (letter.message_id, letter.queue, letter.body) == ("no envelope", QUEUE, "{]")


async def test_a_message_that_nowhere_can_be_moved_to_comes_again_and_holds_up_nobody(
    declare_topology: DeclareTopology, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given no retry tier that takes anything
    bus = await gateway.bus(await declare_topology(TOPOLOGY))

    async def refuses(messages: Sequence[Outgoing]) -> list[Exception | None]:
        return [BusUnavailableError("full")] * len(messages)

    monkeypatch.setattr(bus._failed, "publish", refuses)
    gateway.error = ValueError("at first")
    await bus.start()
    session = bus._session
    # When a handler fails, and then no longer
    event = expired()
    assert await bus.publish([envelop(event, source="session").encode()]) == [None]
    await eventually(lambda: gateway.failures > 1)
    gateway.error = None
    # Then the message is handled, on the consumer that was there all the time
    await eventually(lambda: gateway.handled == [event.upload_id])
    assert bus._session is session


@pytest.mark.timeout(180)
@pytest.mark.parametrize("end", ["kill", "stop"])
async def test_a_broker_that_ends_and_comes_back_loses_nothing(
    end: str, own_rabbitmq: RabbitMqServer, open_outbox: OpenOutbox, gateway: Gateway
) -> None:
    url = own_rabbitmq.url(own_rabbitmq.vhosts[0])
    await declare(url, TOPOLOGY)
    bus = await gateway.bus(url)
    await bus.start()
    outbox = await open_outbox("session")
    relay = asyncio.create_task(Relay(outbox, bus).run())
    events = []

    async def emit(count: int) -> None:
        for _ in range(count):
            events.append(expired())
            async with outbox.unit_of_work() as work:
                work.emit(events[-1])

    # Given traffic on queues that are old enough to survive (the broker remembers a new queue half a second late).
    started = asyncio.get_running_loop().time()
    while asyncio.get_running_loop().time() - started < 1.5:
        await emit(20)
    # When the broker ends and comes back under traffic.
    traffic = asyncio.create_task(emit(1000))
    await asyncio.to_thread(getattr(own_rabbitmq, end))
    with pytest.raises(BusUnavailableError):
        await bus.check()
    await asyncio.to_thread(own_rabbitmq.start)
    await traffic
    # Then everything arrives, once.
    await eventually(lambda: len(gateway.handled) >= len(events), seconds=60)
    assert Counter(gateway.handled) == Counter(event.upload_id for event in events)
    await eventually(lambda: _ready(bus))
    relay.cancel()
    await asyncio.wait({relay})
    await bus.stop()
    await delete(url, TOPOLOGY)


async def test_a_broker_has_one_generation_as_long_as_it_has_its_data(
    declare_topology: DeclareTopology, gateway: Gateway
) -> None:
    url = await declare_topology(TOPOLOGY)
    one, another = [await gateway.bus(url) for _ in range(2)]
    # Given replicas that ask at the same time for the name of data that has none yet
    names = await asyncio.gather(*(bus.generation() for bus in (one, another, one, another)))
    assert len(set(names)) == 1
    assert await another.generation() == names[0]
    # When all is gone and made again
    await delete(url, TOPOLOGY)
    await declare(url, TOPOLOGY)
    # Then it is another one, for both
    await eventually(lambda: _generation_is(one, another, other_than=names[0]))


async def test_what_a_broker_lost_with_its_queues_arrives_once_the_loss_is_found(
    declare_topology: DeclareTopology, open_outbox: OpenOutbox, gateway: Gateway
) -> None:
    # Given an event that the broker confirmed and nobody has consumed
    url = await declare_topology(TOPOLOGY)
    bus = await gateway.bus(url)
    outbox = await open_outbox("session")
    event = expired()
    async with outbox.unit_of_work() as work:
        work.emit(event)
    alone = RabbitMqBus(url, "test", TIERS)
    await alone.start()
    assert await Relay(outbox, alone, keep=True).once() == 1
    while await Resend(outbox, alone, [timedelta(0)]).once():
        pass
    await alone.stop()
    # When all of the broker's data is gone and its topology is applied again
    await delete(url, TOPOLOGY)
    await declare(url, TOPOLOGY)
    await bus.start()
    while await Resend(outbox, bus, [timedelta(0)]).once():
        pass
    # Then it arrives
    await eventually(lambda: gateway.handled == [event.upload_id])


async def test_a_blocked_broker_takes_nothing_and_recovers(
    own_rabbitmq: RabbitMqServer, declare_topology: DeclareTopology, gateway: Gateway
) -> None:
    url = await declare_topology(TOPOLOGY)
    publisher = Publisher(url, "test", confirm_seconds=1)
    bus = await gateway.bus(url)
    await bus.start()
    await asyncio.to_thread(own_rabbitmq.control, "set_vm_memory_high_watermark", "0.0000001")
    try:
        await eventually(lambda: _refuses(publisher))
    finally:
        await asyncio.to_thread(own_rabbitmq.control, "set_vm_memory_high_watermark", "0.4")
    event = expired()
    await eventually(lambda: _accepts(bus, event))
    await eventually(lambda: event.upload_id in gateway.handled)
    await publisher.close()


@pytest.mark.timeout(180)
async def test_the_policies_of_the_definitions_do_what_the_arguments_do(own_rabbitmq: RabbitMqServer, gateway: Gateway) -> None:
    """Retry tiers, dead letters and the broker's own delivery limit, on imported definitions."""
    vhost = own_rabbitmq.vhosts[-1]
    url = own_rabbitmq.url(vhost)
    version: Version = "3.10" if own_rabbitmq.control("version").strip().startswith("3.") else "4"
    document = json.dumps(definitions(TOPOLOGY, version, vhost.replace("%2F", "/")))
    await asyncio.to_thread(own_rabbitmq.control, "import_definitions", document=document)
    bus = await gateway.bus(url)
    gateway.error = ValueError("always")
    await bus.start()
    failing = expired()
    assert await bus.publish([envelop(failing, source="session").encode()]) == [None]
    dead_letters = RabbitMqDeadLetters(url, "gateway")
    await eventually(lambda: _count(dead_letters, 1))
    (letter,) = await dead_letters.list()
    assert (letter.message_id, letter.attempts, letter.reason) == (str(failing.event_id), 3, "ValueError: always")
    await bus.stop()

    # A message that ends its consumer every time: the broker itself gives it up.
    publisher = await gateway.bus(url)
    deadly = expired()
    assert await publisher.publish([envelop(deadly, source="session").encode()]) == [None]
    async with aiormq.connect(url) as connection:
        channel = await connection.channel()
        while not isinstance((message := await channel.basic_get(QUEUE)).delivery, Basic.GetEmpty):
            assert message.delivery_tag is not None
            await channel.basic_reject(message.delivery_tag, requeue=True)
    await eventually(lambda: _count(dead_letters, 2))
    letter = await dead_letters.show(str(deadly.event_id)) or pytest.fail("not there")
    assert (letter.queue, letter.reason) == (QUEUE, "delivery_limit")
    await publisher.stop()
    await delete(url, TOPOLOGY)


async def _unready(bus: RabbitMqBus) -> bool:
    return not await _ready(bus)


async def _ready(bus: RabbitMqBus) -> bool:
    try:
        await bus.check()
    except BusUnavailableError:
        return False
    return True


async def _refuses(publisher: Publisher) -> bool:
    message = published(envelop(expired(), source="session").encode())
    assert isinstance(message, Outgoing)
    (answer,) = await publisher.publish([message])
    return isinstance(answer, BusUnavailableError)


async def _accepts(bus: RabbitMqBus, event: UploadExpired) -> bool:
    return await bus.publish([envelop(event, source="session").encode()]) == [None]


async def _count(dead_letters: RabbitMqDeadLetters, count: int) -> bool:
    return len(await dead_letters.list()) == count


async def _generation_is(*buses: RabbitMqBus, other_than: str) -> bool:
    """The same everywhere, and not that one. A connection may end when its queues go."""
    try:
        names = {await bus.generation() for bus in buses}
    except BusUnavailableError:
        return False
    return len(names) == 1 and other_than not in names

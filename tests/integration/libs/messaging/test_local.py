"""What is the in-process bus's own: it must not keep a relay waiting, and it counts attempts itself."""

import asyncio
from datetime import timedelta

from contracts.events import UploadExpired
from libs.messaging.dispatch import consumer
from libs.messaging.handler import one_by_one
from libs.messaging.local import LocalBus
from libs.messaging.port import Retry, Subscription
from libs.outbox.unit_of_work import UnitOfWork, envelop
from tests.contract.bus_harness import OpenOutbox, expired

TYPE = UploadExpired.type


async def test_a_handler_that_takes_too_long_goes_on_and_is_not_started_twice(open_outbox: OpenOutbox) -> None:
    go_on = asyncio.Event()
    calls: list[str] = []

    async def slow(event: UploadExpired, work: UnitOfWork) -> None:
        calls.append("slow")
        await go_on.wait()

    outbox = await open_outbox("gateway")
    bus = LocalBus({"gateway": outbox.database}, patience_seconds=0.05)
    bus.subscribe(Subscription("gateway", (TYPE,)), consumer(outbox, {one_by_one(slow): (UploadExpired,)}))
    await bus.start()
    event = envelop(expired(), source="session").encode()
    for _ in range(2):
        (answer,) = await bus.publish([event])
        assert isinstance(answer, Retry)
    go_on.set()
    async with asyncio.timeout(10):
        while (await bus.publish([event])) != [None]:
            await asyncio.sleep(0.01)
    assert calls == ["slow"]
    await bus.stop()


async def test_a_failed_event_says_when_it_is_due_and_is_not_handled_before(open_outbox: OpenOutbox) -> None:
    calls: list[str] = []

    async def failing(event: UploadExpired, work: UnitOfWork) -> None:
        calls.append("failing")
        raise ValueError("no")

    outbox = await open_outbox("gateway")
    bus = LocalBus({"gateway": outbox.database}, tiers=[timedelta(minutes=5)])
    bus.subscribe(Subscription("gateway", (TYPE,)), consumer(outbox, {one_by_one(failing): (UploadExpired,)}))
    await bus.start()
    event = envelop(expired(), source="session").encode()
    for _ in range(2):
        (answer,) = await bus.publish([event])
        assert isinstance(answer, Retry)
        assert timedelta(minutes=4) < answer.delay <= timedelta(minutes=5)
    assert calls == ["failing"]
    await bus.stop()

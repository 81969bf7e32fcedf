"""One subscription's consumer: collects what has arrived into a batch, has it handled, settles each message.

Acked only after the handler's commit, or after a retry tier or the dead letters have confirmed the message. Whatever is not
acked when the channel ends is delivered again; the inbox makes that harmless.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence, Set
from datetime import timedelta

import structlog
from aiormq.abc import AbstractChannel, AbstractConnection, DeliveredMessage
from pydantic import ValidationError

from contracts.envelope import Envelope
from libs.messaging.amqp.connection import cancel, uncancelled
from libs.messaging.amqp.message import Outgoing, attempt, buried, retried
from libs.messaging.dead_letter import announce
from libs.messaging.port import Deliver, Delivery, Outcome, Reject, Subscription
from libs.messaging.retry import next_pause, reason
from libs.messaging.topology import retry_exchange
from libs.runtime.pace import Pace

log = structlog.get_logger()

REQUEUE_SECONDS = 1.0

Publish = Callable[[Sequence[Outgoing]], Awaitable[Sequence[Exception | None]]]


class Consumer:
    """`lost` is called when it cannot go on: its session ends then."""

    def __init__(
        self,
        subscription: Subscription,
        deliver: Deliver,
        publish: Publish,
        tiers: Sequence[timedelta],
        lost: Callable[[], None],
    ) -> None:
        self._subscription = subscription
        self._deliver = deliver
        self._publish = publish
        self._tiers = tiers
        self._lost = lost
        self._arrived: asyncio.Queue[DeliveredMessage | None] = asyncio.Queue()
        self._settled = 0
        """The last delivery tag that was acknowledged, or put back."""
        self._stopping = False
        self._pace = Pace()
        self._worker: asyncio.Task[None] | None = None
        self._consumer_tag = ""

    async def start(self, connection: AbstractConnection) -> AbstractChannel:
        """Raises ChannelNotFoundEntity when the queue is missing."""
        self._channel = channel = await connection.channel(publisher_confirms=False)
        # The broker ends a consumer when its queue is gone or an acknowledgement took too long.
        channel.on_consumer_cancel_callbacks.add(lambda _frame: self._lost())
        await channel.queue_declare(self._subscription.queue, passive=True)
        await channel.basic_qos(prefetch_count=self._subscription.prefetch)
        consuming = await channel.basic_consume(self._subscription.queue, self._arrived.put)
        self._consumer_tag = str(consuming.consumer_tag)
        self._worker = asyncio.create_task(self._work(), name=f"consumer {self._subscription.queue}")
        return channel

    async def stop(self, timeout: float) -> None:
        """Takes nothing new; lets the batch under way finish and be acked. What else has arrived goes back to the queue."""
        self._stopping = True
        if self._worker is None:
            return
        await cancel(self._channel, self._consumer_tag)
        await self._arrived.put(None)
        await asyncio.wait({self._worker}, timeout=timeout)
        self._worker.cancel()

    async def _work(self) -> None:
        while not self._stopping:
            first = await self._arrived.get()
            await self._pace.rest()
            batch = [first, *self._waiting()]
            messages = [message for message in batch if message is not None]
            if messages and not self._stopping:
                with self._pace.batch():
                    await self._handle(messages)

    def _waiting(self) -> list[DeliveredMessage | None]:
        size = min(self._arrived.qsize(), self._subscription.prefetch - 1)
        return [self._arrived.get_nowait() for _ in range(size)]

    async def _handle(self, batch: Sequence[DeliveredMessage]) -> None:
        try:
            with uncancelled():
                await self._settle(batch, await self._outcomes(batch))
        except Exception as error:
            log.warning("consumer.batch_unacknowledged", queue=self._subscription.queue, error=type(error).__name__)
            self._lost()  # with the connection goes what is unacknowledged: it comes again

    async def _settle(self, batch: Sequence[DeliveredMessage], outcomes: Sequence[Outcome]) -> None:
        unsettled = await self._move([(m, o) for m, o in zip(batch, outcomes, strict=True) if o is not None])
        if unsettled:
            await asyncio.sleep(REQUEUE_SECONDS)
        for message in unsettled:
            await self._channel.basic_nack(_tag(message), requeue=True, wait=False)
        await self._acknowledge(batch, put_back={_tag(message) for message in unsettled})

    async def _acknowledge(self, batch: Sequence[DeliveredMessage], put_back: Set[int]) -> None:
        """One acknowledgement for all that was not put back, if nothing that is not in the batch lies below it.

        The broker ends the channel of who acknowledges by a tag that was put back.
        """
        if _tag(batch[-1]) - self._settled != len(batch):
            raise RuntimeError("deliveries out of order")
        self._settled = _tag(batch[-1])
        if settled := {_tag(message) for message in batch} - put_back:
            await self._channel.basic_ack(max(settled), multiple=True)

    async def _outcomes(self, batch: Sequence[DeliveredMessage]) -> list[Outcome]:
        read = [_read(message) for message in batch]
        handled = iter(await self._deliver([entry for entry in read if isinstance(entry, Delivery)]))
        return [next(handled) if isinstance(entry, Delivery) else entry for entry in read]

    async def _move(self, failed: Sequence[tuple[DeliveredMessage, Exception]]) -> list[DeliveredMessage]:
        """Puts each into a retry tier or the dead letters; answers those for which that was not confirmed."""
        answers = await self._publish([self._next_place(message, outcome) for message, outcome in failed])
        return [message for (message, _outcome), answer in zip(failed, answers, strict=True) if answer is not None]

    def _next_place(self, message: DeliveredMessage, outcome: Exception) -> Outgoing:
        pause = next_pause(outcome, attempt(message), self._tiers)
        if pause is not None:
            return retried(message, self._subscription, retry_exchange(pause), attempt(message) + 1)
        properties = message.header.properties
        announce(self._subscription, str(properties.message_type), str(properties.message_id), reason(outcome))
        return buried(message, self._subscription, reason(outcome))


def _read(message: DeliveredMessage) -> Delivery | Reject:
    try:
        return Delivery(Envelope.model_validate_json(message.body), attempt(message))
    except ValidationError:
        return Reject("the body is not an envelope")


def _tag(message: DeliveredMessage) -> int:
    assert message.delivery_tag is not None
    return message.delivery_tag

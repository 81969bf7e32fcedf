"""From a batch of deliveries to the handlers of a service, with one transaction for the whole batch.

The inbox rows, everything that the handlers write and everything that they emit commit together. A batch that fails is rolled
back and split in halves, and so is each half that fails, until the message that cannot be handled stands alone.
"""

import asyncio
from collections.abc import Sequence

import structlog

from contracts.events import Event
from libs.messaging.handler import Handlers, handle
from libs.messaging.message import Message, parse
from libs.messaging.middleware.counting import counted
from libs.messaging.middleware.logging import logged
from libs.messaging.middleware.timing import timed
from libs.messaging.middleware.tracing import traced
from libs.messaging.port import Deliver, Delivery, Outcome
from libs.outbox.inbox import insert_new
from libs.outbox.unit_of_work import Outbox, UnitOfWork
from libs.postgres.database import TRANSIENT_ERRORS

log = structlog.get_logger()

AROUND_BATCH = (counted, logged, timed, traced)
"""Outermost first. Each sees the final outcomes of a batch."""


def consumer(outbox: Outbox, handlers: Handlers) -> Deliver:
    """What a bus calls with the messages of one service: idempotent, transactional, observed."""
    deliver: Deliver = Dispatcher(outbox, handlers)
    for around_batch in reversed(AROUND_BATCH):
        deliver = around_batch(outbox.database.service, deliver)
    return deliver


class Dispatcher:
    def __init__(self, outbox: Outbox, handlers: Handlers) -> None:
        self._outbox = outbox
        self._service = outbox.database.service
        self._handlers = handlers

    async def __call__(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        parsed = [parse(delivery) for delivery in deliveries]
        messages = [entry for entry in parsed if isinstance(entry, Message)]
        handled = dict(zip(messages, await self._handled(messages), strict=True))
        return [handled[entry] if isinstance(entry, Message) else entry for entry in parsed]

    async def _handled(self, messages: Sequence[Message[Event]]) -> Sequence[Outcome]:
        """One transaction for all; where that fails, one for each half."""
        if len(messages) <= 1:
            return [await self._alone(message) for message in messages]
        try:
            await self._transaction(messages)
        except Exception as error:
            log.info("batch.split", service=self._service, size=len(messages), error=type(error).__name__)
        else:
            return [None] * len(messages)
        middle = len(messages) // 2
        return [*await self._handled(messages[:middle]), *await self._handled(messages[middle:])]

    async def _alone(self, message: Message[Event]) -> Outcome:
        try:
            try:
                await self._transaction([message])
            except TRANSIENT_ERRORS:
                await self._database_answers()
                await self._transaction([message])
        except Exception as error:
            return error
        return None

    async def _database_answers(self) -> None:
        """Waits for it: an outage is no message's fault, and must not use up anybody's attempts."""
        pause = 0.2
        while True:
            try:
                return await self._outbox.database.check()
            except TRANSIENT_ERRORS as error:
                log.warning("database.waiting", service=self._service, error=type(error).__name__)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5)

    async def _transaction(self, messages: Sequence[Message[Event]]) -> None:
        async with self._outbox.database.transaction() as connection:
            work = UnitOfWork(connection, source=self._service)
            new = await insert_new(connection, [message.envelope.id for message in messages])
            fresh = []
            for message in messages:
                if message.envelope.id in new:
                    new.remove(message.envelope.id)  # a batch may hold the same event twice
                    fresh.append(message)
            if fresh:
                await handle(self._handlers, fresh, work)
            await self._outbox.write(connection, work.emitted)
        self._outbox.woken(work)

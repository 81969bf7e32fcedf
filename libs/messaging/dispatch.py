"""From a batch of deliveries to handlers, with one transaction for the whole batch.

The inbox rows, everything that the handlers write and everything that they emit commit together. When the batch fails it is
rolled back and redone one message at a time, so that a bad message harms nobody but itself.
"""

import asyncio
from collections.abc import Sequence

import structlog

from libs.messaging.message import Handle, Message, parse
from libs.messaging.middleware.counting import counted
from libs.messaging.middleware.logging import logged
from libs.messaging.middleware.timing import timed
from libs.messaging.middleware.tracing import traced
from libs.messaging.port import Deliver, Delivery, Outcome
from libs.outbox.inbox import unseen
from libs.outbox.unit_of_work import Outbox, UnitOfWork
from libs.postgres.database import TRANSIENT_ERRORS
from libs.runtime.service import Handlers

log = structlog.get_logger()

AROUND_HANDLER = (traced, timed)
"""Outermost first. Each runs for each message, inside the transaction."""

AROUND_BATCH = (counted, logged)
"""Outermost first. Each sees the final outcomes of a batch."""


def consumer(outbox: Outbox, handlers: Handlers) -> Deliver:
    """What a bus calls with the messages of one service: idempotent, transactional, observed."""
    service = outbox.database.service

    async def call(message: Message, work: UnitOfWork) -> None:
        await handlers[type(message.event)](message.event, work)

    handle: Handle = call
    for around_handler in reversed(AROUND_HANDLER):
        handle = around_handler(service, handle)
    deliver: Deliver = Dispatcher(outbox, handle)
    for around_batch in reversed(AROUND_BATCH):
        deliver = around_batch(service, deliver)
    return deliver


class Dispatcher:
    def __init__(self, outbox: Outbox, handle: Handle) -> None:
        self._outbox = outbox
        self._service = outbox.database.service
        self._handle = handle

    async def __call__(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        parsed = [parse(delivery) for delivery in deliveries]
        messages = [entry for entry in parsed if isinstance(entry, Message)]
        handled = dict(zip(messages, await self._together(messages), strict=True))
        return [handled[entry] if isinstance(entry, Message) else entry for entry in parsed]

    async def _together(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """One transaction for all; where that fails, one for each."""
        if len(messages) > 1:
            try:
                await self._transaction(messages)
            except Exception as error:
                log.info("batch.split", service=self._service, size=len(messages), error=type(error).__name__)
            else:
                return [None] * len(messages)
        return [await self._alone(message) for message in messages]

    async def _alone(self, message: Message) -> Outcome:
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

    async def _transaction(self, messages: Sequence[Message]) -> None:
        works: list[UnitOfWork] = []
        async with self._outbox.database.transaction() as connection:
            new = await unseen(connection, self._service, [message.envelope.id for message in messages])
            # By aggregate: batches that run side by side lock the same rows in the same order.
            for message in sorted(messages, key=lambda message: message.envelope.subject):
                if message.envelope.id in new:
                    new.remove(message.envelope.id)
                    works.append(work := UnitOfWork(connection, source=self._service, cause=message.envelope))
                    await self._handle(message, work)
            await self._outbox.write(connection, [envelope for work in works for envelope in work.emitted])
        for work in works:
            self._outbox.woken(work)

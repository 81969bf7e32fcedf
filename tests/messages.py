"""Events as a service's handlers get them, past the bus and past the inbox."""

from typing import Any

from contracts.events import Event
from libs.messaging import handler
from libs.messaging.handler import Handlers
from libs.messaging.message import Message
from libs.outbox.unit_of_work import Outbox, envelop


def message(event: Event, **attributes: Any) -> Message[Event]:
    """`attributes`: of its envelope, in place of those that it would have."""
    return Message(envelop(event, source="test").model_copy(update=attributes), event)


async def handle(outbox: Outbox, handlers: Handlers, *events: Event, **attributes: Any) -> None:
    """All of them as one batch, in one transaction; what is emitted is written."""
    async with outbox.unit_of_work() as work:
        await handler.handle(handlers, [message(event, **attributes) for event in events], work)

"""The handlers of a service: which events each of them takes, and how a batch is handed to them.

The contract of a handler is in `libs.messaging.port`. It receives **all** events of its types in a batch, in the order in which
they arrived, inside one transaction, and answers with one statement per table: it loads what they concern at once, applies
pure rules in memory, writes once, and emits. It never commits, never publishes directly, and touches nothing but the database:
slow work goes into a job row and wakes a loop.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from contracts.events import Event
from libs.messaging.message import Message
from libs.outbox.unit_of_work import UnitOfWork

Handler = Callable[[Sequence[Message[Any]], UnitOfWork], Awaitable[None]]
"""`async def on_object_stored(messages: Sequence[Message[ObjectStored]], work: UnitOfWork) -> None`."""

Handlers = Mapping[Handler, Sequence[type[Event]]]
"""Each handler with the types of events that it takes. Several may take the same type; they run in the order of the table."""


def event_types(handlers: Handlers) -> tuple[type[Event], ...]:
    """What a service with these handlers consumes; each type once."""
    return tuple(dict.fromkeys(event_type for types in handlers.values() for event_type in types))


async def handle(handlers: Handlers, messages: Sequence[Message[Event]], work: UnitOfWork) -> None:
    """Hands each handler those of the messages that it takes, in one call."""
    for handler, types in handlers.items():
        if taken := [message for message in messages if type(message.event) in types]:
            await handler(taken, work)


def one_by_one(handle_one: Callable[[Any, UnitOfWork], Awaitable[None]]) -> Handler:
    """A handler for events that are rare, such as changes of a configuration: it is called for each of them in turn."""

    async def handler(messages: Sequence[Message[Event]], work: UnitOfWork) -> None:
        for message in messages:
            with work.caused_by(message.envelope):
                await handle_one(message.event, work)

    return handler

"""A delivery whose event could be read, on its way to the handler."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pydantic import ValidationError

from contracts.envelope import Envelope, UnknownEventTypeError
from contracts.events import Event
from libs.messaging.port import Delivery, Reject
from libs.outbox.unit_of_work import UnitOfWork


@dataclass(frozen=True, eq=False)
class Message:
    """Two deliveries of the same event are two messages: compared by identity."""

    envelope: Envelope
    attempt: int
    event: Event


Handle = Callable[[Message, UnitOfWork], Awaitable[None]]


def parse(delivery: Delivery) -> Message | Reject:
    """The message, or its rejection: what cannot be read today cannot be read on the next attempt."""
    try:
        return Message(delivery.envelope, delivery.attempt, delivery.envelope.event())
    except UnknownEventTypeError:
        return Reject(f"unknown event type {delivery.envelope.type}")
    except ValidationError as error:
        fields = sorted({".".join(map(str, detail["loc"])) for detail in error.errors(include_input=False)})
        return Reject(f"data does not fit {delivery.envelope.type}: {', '.join(fields)}")

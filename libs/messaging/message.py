"""A delivery whose event could be read, on its way to the handlers."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import ValidationError

from contracts.envelope import Envelope, UnknownEventTypeError
from contracts.events import Event
from libs.messaging.port import Delivery, Reject

EventT_co = TypeVar("EventT_co", bound=Event, covariant=True)


@dataclass(frozen=True, eq=False)
class Message(Generic[EventT_co]):
    """Two deliveries of the same event are two messages: compared by identity."""

    envelope: Envelope
    event: EventT_co
    attempt: int = 1


def parse(delivery: Delivery) -> Message[Event] | Reject:
    """The message, or its rejection: what cannot be read today cannot be read on the next attempt."""
    try:
        return Message(delivery.envelope, delivery.envelope.event(), delivery.attempt)
    except UnknownEventTypeError:
        return Reject(f"unknown event type {delivery.envelope.type}")
    except ValidationError as error:
        fields = sorted({".".join(map(str, detail["loc"])) for detail in error.errors(include_input=False)})
        return Reject(f"data does not fit {delivery.envelope.type}: {', '.join(fields)}")

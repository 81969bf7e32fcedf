"""The envelope around an event: CloudEvents 1.0 attribute names, plus correlation and causation."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from pydantic import AwareDatetime, BaseModel, ConfigDict

from contracts.events import EVENT_BY_TYPE, Event, JsonObject
from contracts.ids import EventId


class UnknownEventTypeError(ValueError):
    """No event of this type is known here."""

    code = "unknown_event_type"


class Envelope(BaseModel):
    """One message on the bus. https://github.com/cloudevents/spec (1.0); `data` is the event's own JSON."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: str = "1.0"
    id: EventId
    type: str
    source: str
    """The service that published it, e.g. `session`."""
    subject: str
    """The aggregate's id."""
    time: AwareDatetime
    datacontenttype: str = "application/json"
    correlation_id: str
    """The same for everything that one client request led to: its W3C trace id, 32 hex digits."""
    causation_id: str | None = None
    """Id of the event whose handling produced this one."""
    traceparent: str | None = None
    data: JsonObject
    """Not validated here, value by value: it comes from an event, or from JSON and becomes one."""

    @classmethod
    def of(
        cls, event: Event, *, source: str, correlation_id: str, causation_id: str | None = None, traceparent: str | None = None
    ) -> "Envelope":
        return cls(
            id=event.event_id, type=event.type, source=source, subject=str(event.aggregate_id), time=datetime.now(UTC),
            correlation_id=correlation_id, causation_id=causation_id, traceparent=traceparent,
            data=event.model_dump(mode="json"),
        )  # fmt: skip

    def event(self) -> Event:
        """The event inside; it is validated once, however many consumers of one process ask for it.

        Raises:
            UnknownEventTypeError: its type is not in `EVENTS`.
            pydantic.ValidationError: its data does not fit the type.
        """
        return self._validated_event

    @cached_property
    def _validated_event(self) -> Event:
        try:
            event_class = EVENT_BY_TYPE[self.type]
        except KeyError:
            raise UnknownEventTypeError(self.type) from None
        return event_class.model_validate(self.data)

    def encode(self) -> "EncodedEvent":
        return EncodedEvent(self.id, self.type, self.model_dump_json())


@dataclass(frozen=True)
class EncodedEvent:
    """An event in its envelope as it travels: JSON text that is written once, when the event is emitted."""

    id: EventId
    type: str
    body: str

    @classmethod
    def of(
        cls, event: Event, *, source: str, correlation_id: str, causation_id: str | None = None, traceparent: str | None = None
    ) -> "EncodedEvent":
        """What `Envelope.of` and its `encode` make, without the steps in between: an event is valid, and is written once."""
        event_id = event.event_id
        attributes = {
            "specversion": "1.0", "id": str(event_id), "type": event.type, "source": source, "subject": str(event.aggregate_id),
            "time": datetime.now(UTC).isoformat().replace("+00:00", "Z"), "datacontenttype": "application/json",
            "correlation_id": correlation_id, "causation_id": causation_id, "traceparent": traceparent,
        }  # fmt: skip
        head = json.dumps(attributes, separators=(",", ":"))
        return cls(event_id, event.type, f'{head[:-1]},"data":{event.model_dump_json()}}}')

    @cached_property
    def envelope(self) -> Envelope:
        """Raises pydantic.ValidationError where the text is no envelope."""
        return Envelope.model_validate_json(self.body)

"""How an event looks on the wire: the envelope as JSON (CloudEvents structured mode), the rest in properties and headers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

import orjson
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from contracts.envelope import EncodedEvent
from libs.messaging.port import Subscription, UnreadableEventError
from libs.messaging.topology import DEAD, EVENTS

CONTENT_TYPE = "application/cloudevents+json"

ATTEMPT = "x-attempt"
"""Which attempt the next delivery is; the broker's own `x-death` counters mean different things in 3.x and 4.x."""
QUEUE = "x-queue"
"""Of a dead letter: where it came from and where a replay puts it."""
REASON = "x-reason"


@dataclass(frozen=True)
class Outgoing:
    """One message to publish: persistent and mandatory."""

    exchange: str
    routing_key: str
    body: bytes
    properties: Basic.Properties


def published(event: EncodedEvent) -> Outgoing | UnreadableEventError:
    """The body goes as it is; it is only looked into for what also stands in the headers."""
    try:
        attributes = orjson.loads(event.body)
        happened_at = datetime.fromisoformat(attributes["time"])
    except (ValueError, KeyError, TypeError):
        return UnreadableEventError("it holds no envelope")
    traceparent = attributes.get("traceparent")
    properties = Basic.Properties(
        content_type=CONTENT_TYPE,
        delivery_mode=2,
        message_id=str(event.id),
        message_type=event.type,
        app_id=attributes.get("source"),
        correlation_id=attributes.get("correlation_id"),
        timestamp=happened_at,
        headers={"traceparent": traceparent} if traceparent else {},
    )
    return Outgoing(EVENTS, event.type, event.body.encode(), properties)


def retried(message: DeliveredMessage, subscription: Subscription, exchange: str, attempt: int) -> Outgoing:
    """Waits in a tier; comes back to this subscription's queue as attempt number `attempt`."""
    return Outgoing(exchange, subscription.queue, message.body, _copy(message, {ATTEMPT: attempt}))


def buried(message: DeliveredMessage, subscription: Subscription, reason: str) -> Outgoing:
    about = {ATTEMPT: attempt(message), QUEUE: subscription.queue, REASON: reason}
    return Outgoing(DEAD, subscription.service, message.body, _copy(message, about))


def replayed(message: DeliveredMessage, queue: str) -> Outgoing:
    """Straight into one queue, as a first attempt."""
    return Outgoing("", queue, message.body, _copy(message, {}))


def attempt(message: DeliveredMessage) -> int:
    value = headers(message).get(ATTEMPT, 1)
    return value if isinstance(value, int) and value >= 1 else 1


def headers(message: DeliveredMessage) -> Mapping[str, Any]:
    return message.header.properties.headers or {}


def _copy(message: DeliveredMessage, own: Mapping[str, Any]) -> Basic.Properties:
    """The same message under the same id, with `own` headers in place of whatever the broker added."""
    properties = message.header.properties
    kept = {name: value for name, value in headers(message).items() if name == "traceparent"}
    return Basic.Properties(
        content_type=properties.content_type,
        delivery_mode=2,
        message_id=properties.message_id or str(uuid4()),
        message_type=properties.message_type,
        app_id=properties.app_id,
        correlation_id=properties.correlation_id,
        timestamp=properties.timestamp,
        headers={**kept, **own},
    )

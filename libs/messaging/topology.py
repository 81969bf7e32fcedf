"""What has to exist on the broker, as data: exchanges, queues, bindings, and the policies that make them safe.

- `uploads.events` (topic): everything is published here, its event type the routing key, always `mandatory`.
- `<service>.events`: one quorum queue for each service, bound to every event type that it consumes.
- `uploads.retry.<pause>` (fanout) with a queue of the same name: a message waits there for its next attempt. It is published
  with the consumer's queue as routing key, and the queue's dead-letter exchange is the default exchange: when its time is up
  it returns to exactly that queue. One fixed TTL per queue, since a queue expires only from its head.
- `uploads.dlx` (topic) with `dead.<service>`: what a service could not handle.
- `uploads.generation`: a stream whose first message names the data that the broker holds (`libs.messaging.amqp.generation`).
- `uploads.unconsumed`: bound to the event types that nobody consumes, so that they too are routable and "unroutable" always
  means that the broker does not have the deployed topology. It keeps little and forgets it after an hour.

Queues carry no arguments but `x-queue-type`; policies say the rest, because arguments cannot be changed afterwards.
Only keys that mean the same on RabbitMQ 3.10 and 4.x are used.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from contracts.events import EVENT_BY_TYPE
from libs.messaging.port import queue_of
from libs.messaging.retry import TIERS

EVENTS = "uploads.events"
DEAD = "uploads.dlx"
UNCONSUMED = "uploads.unconsumed"
GENERATION = "uploads.generation"

Settings = Mapping[str, str | int]
"""Of a policy, in the broker's words."""

Version = Literal["3.10", "4"]

AT_LEAST_ONCE: Settings = {"dead-letter-strategy": "at-least-once", "overflow": "reject-publish"}


@dataclass(frozen=True)
class Policy:
    name: str
    pattern: str
    settings: Settings


@dataclass(frozen=True)
class Queue:
    name: str
    exchange: str
    routing_keys: tuple[str, ...]
    policy: Policy | None
    kind: Literal["quorum", "stream"] = "quorum"

    @property
    def arguments(self) -> Settings:
        """What cannot be changed afterwards."""
        return {"x-queue-type": self.kind}


@dataclass(frozen=True)
class Topology:
    consumers: Mapping[str, Sequence[str]]
    """The event types that each service consumes."""
    tiers: Sequence[timedelta] = TIERS
    event_types: Sequence[str] = tuple(EVENT_BY_TYPE)

    @property
    def exchanges(self) -> Mapping[str, Literal["topic", "fanout"]]:
        return {EVENTS: "topic", DEAD: "topic", **{retry_exchange(tier): "fanout" for tier in self.tiers}}

    @property
    def queues(self) -> Sequence[Queue]:
        generation = Queue(GENERATION, "", (), policy=None, kind="stream")
        return [*self._work(), *self._dead(), *self._retry(), *self._unconsumed(), generation]

    def _work(self) -> Iterator[Queue]:
        for service, event_types in sorted(self.consumers.items()):
            policy = Policy(
                f"work.{service}",
                f"^{service}\\.events$",
                {
                    "delivery-limit": 10,
                    "dead-letter-exchange": DEAD,
                    "dead-letter-routing-key": service,
                    "max-length": 1_000_000,
                    **AT_LEAST_ONCE,
                },
            )
            if event_types:
                yield Queue(queue_of(service), EVENTS, tuple(sorted(event_types)), policy)

    def _dead(self) -> Iterator[Queue]:
        # Looking at dead letters counts as a delivery: 4.x drops a message after 20 of them unless told otherwise.
        settings: Settings = {"max-length-bytes": 2**30, "overflow": "reject-publish", "delivery-limit": 1_000_000}
        policy = Policy("dead", "^dead\\.", settings)
        for service in sorted(self.consumers):
            yield Queue(dead_queue(service), DEAD, (service,), policy)

    def _retry(self) -> Iterator[Queue]:
        for tier in self.tiers:
            name = retry_exchange(tier)
            settings: Settings = {
                "message-ttl": milliseconds(tier),
                "dead-letter-exchange": "",
                "max-length": 1_000_000,
                **AT_LEAST_ONCE,
            }
            yield Queue(name, name, ("",), Policy(name, f"^{name.replace('.', chr(92) + '.')}$", settings))

    def _unconsumed(self) -> Iterator[Queue]:
        consumed = {event_type for event_types in self.consumers.values() for event_type in event_types}
        settings: Settings = {"message-ttl": 3_600_000, "max-length": 10_000, "overflow": "drop-head"}
        policy = Policy("unconsumed", "^uploads\\.unconsumed$", settings)
        yield Queue(UNCONSUMED, EVENTS, tuple(sorted(set(self.event_types) - consumed)), policy)


def dead_queue(service: str) -> str:
    return f"dead.{service}"


def retry_exchange(tier: timedelta) -> str:
    return f"uploads.retry.{tier_name(tier)}"


def tier_name(tier: timedelta) -> str:
    """`5s`, `30m`, `250ms`."""
    for unit, size in (("m", 60_000), ("s", 1_000)):
        if milliseconds(tier) % size == 0:
            return f"{milliseconds(tier) // size}{unit}"
    return f"{milliseconds(tier)}ms"


def milliseconds(tier: timedelta) -> int:
    return round(tier.total_seconds() * 1000)


def definitions(topology: Topology, version: Version, vhost: str = "/") -> dict[str, Any]:
    """The document that `rabbitmqctl import_definitions` and the management plugin take; it holds no users."""
    apply_to = "queues" if version == "3.10" else "quorum_queues"
    policies = {queue.policy.name: queue.policy for queue in topology.queues if queue.policy}
    return {
        "vhosts": [{"name": vhost}],
        "exchanges": [
            {
                "name": name,
                "vhost": vhost,
                "type": kind,
                "durable": True,
                "auto_delete": False,
                "internal": False,
                "arguments": {},
            }
            for name, kind in topology.exchanges.items()
        ],
        "queues": [
            {"name": queue.name, "vhost": vhost, "durable": True, "auto_delete": False, "arguments": queue.arguments}
            for queue in topology.queues
        ],
        "bindings": [
            {
                "source": queue.exchange,
                "vhost": vhost,
                "destination": queue.name,
                "destination_type": "queue",
                "routing_key": routing_key,
                "arguments": {},
            }
            for queue in topology.queues
            for routing_key in queue.routing_keys
        ],
        "policies": [
            {
                "name": policy.name,
                "vhost": vhost,
                "pattern": policy.pattern,
                "apply-to": apply_to,
                "definition": dict(policy.settings),
                "priority": 0,
            }
            for policy in policies.values()
        ],
    }

"""What a service is made of; its composition root (`services/<name>/app.py`) fills one in."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp.web import Application

from libs.messaging.handler import Handlers, event_types
from libs.messaging.port import Subscription
from libs.outbox.unit_of_work import Outbox

Loop = Callable[[], Awaitable[None]]
"""Runs until it is cancelled. When it raises, the host logs that and starts it again after a pause."""


class Resource(Protocol):
    """Something with connections of its own, e.g. the object store."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def check(self) -> None:
        """Raises when it cannot be used now."""


@dataclass(frozen=True)
class Service:
    name: str
    outbox: Outbox
    handlers: Handlers = field(default_factory=dict)
    loops: Mapping[str, Loop] = field(default_factory=dict)
    resources: Sequence[Resource] = ()
    """Opened before anything else of the service, closed last."""
    web: Application | None = None
    """Served on the HTTP port, where the service has a face for others."""
    prefetch: int = 300
    """The largest batch of events."""

    @property
    def subscription(self) -> Subscription:
        return Subscription(self.name, tuple(event.type for event in event_types(self.handlers)), self.prefetch)

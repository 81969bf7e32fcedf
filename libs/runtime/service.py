"""What a service is made of; its composition root (`services/<name>/app.py`) fills one in."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiohttp.web import Application

from contracts.events import Event
from libs.outbox.unit_of_work import Outbox, UnitOfWork

Handler = Callable[[Any, UnitOfWork], Awaitable[None]]
"""`async def on_object_stored(event: ObjectStored, work: UnitOfWork) -> None`; its contract is in `libs.messaging.port`.

It runs inside the unit of work's transaction, possibly together with other messages of the same batch, never commits and
never publishes directly. It touches nothing but the database: slow work goes into a job row and wakes a loop.
"""

Handlers = Mapping[type[Event], Handler]

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
    prefetch: int = 100

"""Connections that stay open after their answer, for the next request to the same scheme, host and port."""

from dataclasses import dataclass
from typing import Any

import aiohttp


@dataclass(frozen=True)
class KeepAlive:
    """How many connections wait for another request, and for how long."""

    idle_seconds: float = 30
    lifetime_seconds: float = 300
    """After it, a connection is not used again: its name may lead elsewhere by now."""
    per_origin: int = 64
    """Idle ones that lead to the same scheme, host and port."""
    total: int = 512
    """Idle ones altogether."""


class KeepingConnector(aiohttp.TCPConnector):
    """Keeps connections as aiohttp does, but no more of them than allowed: whatever comes back beyond that is closed."""

    def __init__(self, keep_alive: KeepAlive, **options: Any) -> None:
        super().__init__(keepalive_timeout=keep_alive.idle_seconds, **options)
        self._keep_alive = keep_alive

    def _release(self, key: Any, protocol: Any, *, should_close: bool = False) -> None:
        super()._release(key, protocol, should_close=should_close or not self._has_room(key))

    def _has_room(self, key: Any) -> bool:
        if len(self._conns.get(key, ())) >= self._keep_alive.per_origin:
            return False
        return sum(map(len, self._conns.values())) < self._keep_alive.total

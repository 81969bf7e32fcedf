"""What is known of the objects that are served: their size and validators, and the bytes of small ones.

The bytes under a key never change while it is served, so this can be remembered; what grows is looked up each time. It says
nothing about whether a file may be served: that is asked of the database with each request.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from libs.object_store.port import ObjectStore, PeekedObject
from libs.runtime.single_flight import SingleFlight
from services.gateway.files.condition import Validators

FRESH_SECONDS: Final = 60.0
"""So long a lost object may go unnoticed. What is older leaves the memory within the same time again, unless it is replaced."""
SMALL_BYTES: Final = 64 * 1024
"""Up to here an object's bytes are remembered and sent from memory."""
CHANGING_BYTES: Final = 4 << 20
"""As large may be what changes; playlists of videos of a day are smaller."""
ENTRY_BYTES: Final = 2048
"""What an entry takes without its content, about."""
LOOKS: Final = 32
"""At the store at the same time."""


@dataclass(frozen=True)
class ServedObject:
    key: str
    size_bytes: int
    content_type: str | None
    validators: Validators
    content: bytes | None
    """None where it is not small."""
    file_path: str | None
    """`PeekedObject.file_path`."""


class ObjectCache:
    """The oldest entries go where more than `max_bytes` are held, and those that are no longer fresh."""

    def __init__(
        self,
        store: ObjectStore,
        *,
        max_bytes: int,
        small_bytes: int = SMALL_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._max_bytes = max_bytes
        self._small_bytes = small_bytes
        self._clock = clock
        self._held: OrderedDict[str, tuple[float, ServedObject]] = OrderedDict()
        """In the order in which they were looked up, which is that in which they cease to be fresh."""
        self.held_bytes = 0
        """What all of it takes, about."""
        self._sweep: asyncio.TimerHandle | None = None
        self._flights: SingleFlight[ServedObject | None] = SingleFlight(running=LOOKS, waiting=2**31)

    async def find(self, key: str) -> ServedObject | None:
        """None where nothing lies under `key`. Whoever asks at the same time shares one look at the store."""
        held = self._held.get(key)
        if held is not None and self._clock() - held[0] < FRESH_SECONDS:
            return held[1]
        return await self._flights.run(key, lambda: self._look(key))

    async def find_now(self, key: str) -> ServedObject | None:
        """As `find`, with all of its bytes, for what may change under its key: nothing of it is remembered."""
        return await self._flights.run(f"now {key}", lambda: self._look_now(key))

    def forget(self, key: str) -> None:
        """What is known of it has turned out not to be true any more."""
        _, found = self._held.pop(key, (0.0, None))
        if found is not None:
            self.held_bytes -= _cost(found)

    async def open(self) -> None:
        """Nothing to open; with `close` and `check` a `libs.runtime.service.Resource`."""

    async def close(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
        await self._flights.close()

    async def check(self) -> None:
        """The store has a check of its own."""

    async def _look(self, key: str) -> ServedObject | None:
        peeked = await self._store.peek(key, self._small_bytes)
        self.forget(key)
        if peeked is None:
            return None
        found = _served(peeked)
        self._held[key] = (self._clock(), found)
        self.held_bytes += _cost(found)
        self._make_room()
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(FRESH_SECONDS, self._sweep_stale)
        return found

    async def _look_now(self, key: str) -> ServedObject | None:
        peeked = await self._store.peek(key, CHANGING_BYTES)
        return None if peeked is None else _served(peeked)

    def _sweep_stale(self) -> None:
        """Also where nobody asks for anything any more, what was deleted does not stay in memory."""
        self._make_room()
        self._sweep = asyncio.get_running_loop().call_later(FRESH_SECONDS, self._sweep_stale) if self._held else None

    def _make_room(self) -> None:
        stale = self._clock() - FRESH_SECONDS
        while self._held:
            key, (looked_at, _) = next(iter(self._held.items()))
            if self.held_bytes <= self._max_bytes and looked_at > stale:
                break
            self.forget(key)


def _cost(found: ServedObject) -> int:
    return ENTRY_BYTES + len(found.content or b"")


def _served(peeked: PeekedObject) -> ServedObject:
    info = peeked.info
    validators = Validators(info.etag, info.modified_at)
    return ServedObject(info.key, info.size_bytes, info.content_type, validators, peeked.content, peeked.file_path)

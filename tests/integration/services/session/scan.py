"""A scanner for promotions, and a store whose reading and promoting a test can watch."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from libs.object_store.port import ObjectInfo, ObjectStore
from services.session.adapters.clamd import Clamd
from services.session.jobs.scanning import Scanning


def scanning(store: Any, url: str, *, accepts_oversized: bool = False) -> Scanning:
    return Scanning(store, Clamd.from_url(url, seconds=60), accepts_oversized=accepts_oversized)


class Watched:
    """The store: it remembers what was promoted, and something may happen when an object was read to its end."""

    def __init__(self, store: ObjectStore, after_read: Callable[[], Awaitable[None]] | None = None) -> None:
        self.store = store
        self._after_read = after_read
        self.promoted: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    async def read(self, key: str, **options: Any) -> AsyncIterator[bytes]:
        async for chunk in self.store.read(key, **options):
            yield chunk
        if self._after_read:
            await self._after_read()

    async def promote(self, staged: ObjectInfo, target: str, *, content_type: str | None = None) -> ObjectInfo:
        promoted = await self.store.promote(staged, target, content_type=content_type)
        self.promoted.append(staged.etag)
        return promoted

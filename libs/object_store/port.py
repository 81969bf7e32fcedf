"""What the services need of an object store.

Keys are ours, never a client's words: `[A-Za-z0-9._-]` segments joined by `/`, no segment starts with a dot. An object is
replaced or deleted as a whole, and a reader sees either the old one or the new one.
"""

from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol


class ObjectNotFoundError(Exception):
    """No object lies under this key."""

    code = "object_not_found"


class ObjectChangedError(Exception):
    """The object under this key is not the one that was asked for (its ETag differs)."""

    code = "object_changed"


class StoreUnavailableError(Exception):
    """The store does not answer, or refuses what it should allow; worth another try."""

    code = "store_unavailable"


@dataclass(frozen=True)
class ObjectInfo:
    key: str
    size_bytes: int
    etag: str
    """Opaque, without quotes; changes with every write. Not necessarily an MD5."""
    modified_at: datetime
    content_type: str | None = None
    """None where a listing does not tell it."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """`x-amz-meta-*` without the prefix, lower case."""


class ObjectStore(Protocol):
    """Also a `libs.runtime.service.Resource`: `open` creates the bucket if it may, sets CORS where supported and probes it."""

    async def stat(self, key: str) -> ObjectInfo | None:
        """What lies under `key`; None where nothing does."""

    def read(
        self, key: str, *, start: int = 0, length: int | None = None, match_etag: str | None = None
    ) -> AsyncIterator[bytes]:
        """The bytes from `start`, in chunks of at most 1 MiB.

        Raises ObjectNotFoundError or ObjectChangedError at the first chunk.
        """

    async def download(self, key: str, path: Path) -> None:
        """Puts the whole object into a local file (a link where that is possible: do not write to it)."""

    async def write(
        self, key: str, content: Path | AsyncIterable[bytes], *, content_type: str, metadata: Mapping[str, str] | None = None
    ) -> ObjectInfo:
        """Stores a file or a stream in constant memory; nothing is visible before all of it is there."""

    async def copy(self, source: str, target: str, *, match_etag: str, content_type: str | None = None) -> ObjectInfo:
        """Server-side copy of exactly the version `match_etag`; any size. `content_type` replaces the stored one.

        Raises ObjectNotFoundError or ObjectChangedError.
        """

    async def delete(self, keys: Sequence[str]) -> None:
        """Deletes what is there; a missing key is fine."""

    def list(self, prefix: str, *, after: str = "") -> AsyncIterator[Sequence[ObjectInfo]]:
        """Pages of at most 1000 objects in key order."""

    def presign_put(
        self,
        key: str,
        *,
        expires_in: timedelta,
        headers: Mapping[str, str],
        content_length: int | None = None,
        now: datetime | None = None,
    ) -> str:
        """An absolute URL for one PUT, signed without I/O (AWS Signature Version 4, query form).

        The request must carry exactly `headers` and, where given, exactly `content_length`; it must start before the URL
        expires. Anything else is refused by the store with an S3 error body.
        """

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def check(self) -> None:
        """Raises StoreUnavailableError when the store cannot be used now."""


async def delete_prefix(store: ObjectStore, prefix: str) -> int:
    """Deletes everything below `prefix`; how many objects that were."""
    count = 0
    async for page in store.list(prefix):
        await store.delete([found.key for found in page])
        count += len(page)
    return count

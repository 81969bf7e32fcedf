"""What the services need of an object store.

Keys are ours, never a client's words: segments of up to 127 characters of `[A-Za-z0-9._-]`, joined by `/`, none of which starts
with a dot. An object is replaced or deleted as a whole, and a reader sees either the old one or the new one.

A multipart upload is bytes on their way to one key, in parts that come in any order: `start_multipart`, a signed URL for each
part, `list_parts`, `complete_multipart`. Until then nothing lies under the key; afterwards, and after `abort_multipart`, its
URLs are good for nothing.
"""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
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


class MultipartNotFoundError(Exception):
    """No such multipart upload is open: it never was, or it was completed or aborted."""

    code = "multipart_not_found"


class InvalidPartsError(Exception):
    """The parts are not those that the store has by now, or not in ascending order, or there are none."""

    code = "invalid_parts"


class PartTooSmallError(InvalidPartsError):
    """A part that is not the last one is smaller than 5 MiB."""

    code = "part_too_small"


MIN_PART_BYTES = 5 * 1024**2
"""S3's limit for all parts but the last."""
MAX_PARTS = 10_000
"""Parts are numbered from 1."""


@dataclass(frozen=True)
class ObjectInfo:
    key: str
    size_bytes: int
    etag: str
    """Opaque, without quotes; changes with every write. Not necessarily an MD5."""
    modified_at: datetime
    content_type: str | None = None
    """None where a listing, or the end of a multipart upload, does not tell it."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """`x-amz-meta-*` without the prefix, lower case."""


@dataclass(frozen=True)
class PeekedObject:
    info: ObjectInfo
    content: bytes | None
    """All of its bytes, where these are few enough."""
    file_path: str | None = None
    """Below the folder of a store that keeps files: the one that holds exactly its bytes, where there is one. Nothing is there
    any more once the object was replaced or deleted."""


@dataclass(frozen=True)
class Part:
    number: int
    size_bytes: int
    etag: str
    """As with an object's; a part that came in again has another one."""


@dataclass(frozen=True)
class OpenMultipart:
    """A multipart upload that was neither completed nor aborted."""

    key: str
    multipart_id: str
    started_at: datetime


class ObjectStore(Protocol):
    """Also a `libs.runtime.service.Resource`: `open` creates the bucket if it may, sets CORS where supported and probes it."""

    async def stat(self, key: str) -> ObjectInfo | None:
        """What lies under `key`; None where nothing does."""

    async def peek(self, key: str, max_bytes: int) -> PeekedObject | None:
        """As `stat`, with the bytes of an object of at most `max_bytes`, in one go to the store."""

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

    async def promote(self, staged: ObjectInfo, target: str, *, content_type: str | None = None) -> ObjectInfo:
        """Makes exactly the version `staged` the object under `target`, as cheaply as the store can; any size.

        A store that can rename does so, and nothing is left under `staged.key`; from others the staged object still has to be
        deleted. `staged` is what `stat` or a write told of it. `content_type` replaces the stored one.

        Repeating it is fine: where an earlier call did it, the answer is what lies under `target`. Raises ObjectNotFoundError
        or ObjectChangedError.
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

    async def start_multipart(self, key: str, *, content_type: str, metadata: Mapping[str, str] | None = None) -> str:
        """Opens a multipart upload for `key`; the store's id of it."""

    def presign_parts(
        self, key: str, multipart_id: str, numbers: Iterable[int], *, expires_in: timedelta, now: datetime | None = None
    ) -> Sequence[str]:
        """An absolute URL for PUTs of each of these parts (1 to 10,000), signed without I/O, about 3 µs each.

        Any headers of the client are accepted (but unsigned `x-amz-*` ones). A part that comes in again replaces the first.
        """

    async def list_parts(self, key: str, multipart_id: str) -> Sequence[Part]:
        """All parts that came in whole, in ascending order. Raises MultipartNotFoundError."""

    async def complete_multipart(self, key: str, multipart_id: str, parts: Sequence[Part]) -> ObjectInfo:
        """Makes `parts`, as `list_parts` told them, the object under `key`; what else came in is dropped.

        Repeating it is fine: as long as its object lies under `key`, that is the answer. Raises MultipartNotFoundError,
        InvalidPartsError or PartTooSmallError.
        """

    async def abort_multipart(self, key: str, multipart_id: str) -> None:
        """Drops the parts; fine where no such multipart upload is open."""

    def list_multiparts(self, prefix: str) -> AsyncIterator[Sequence[OpenMultipart]]:
        """Pages of at most 1000 open multipart uploads whose keys begin with `prefix`."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def check(self) -> None:
        """Raises StoreUnavailableError when the store cannot be used now."""


def check_parts(parts: Sequence[Part]) -> None:
    """Raises what `complete_multipart` raises for parts that no store may accept (some accept them)."""
    numbers = [part.number for part in parts]
    if not numbers or numbers[0] < 1 or numbers[-1] > MAX_PARTS or any(a >= b for a, b in pairwise(numbers)):
        raise InvalidPartsError("part numbers must ascend from 1 to 10,000")
    if any(part.size_bytes < MIN_PART_BYTES for part in parts[:-1]):
        raise PartTooSmallError("a part that is not the last one is smaller than 5 MiB")


async def delete_prefix(store: ObjectStore, prefix: str) -> int:
    """Deletes everything below `prefix`; how many objects that were."""
    count = 0
    async for page in store.list(prefix):
        await store.delete([found.key for found in page])
        count += len(page)
    return count

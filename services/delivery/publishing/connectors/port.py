"""What publishing needs of each kind of destination: one port, one adapter per kind, one conformance suite for all.

A connector is made for one attempt with one account's settings. It may be interrupted at any moment and called again for the
same publication, by another process: whatever it names at the destination it derives from the publication's id, and it looks
before it writes where the destination allows that, so that nothing is published twice.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol, cast
from uuid import UUID

from contracts.events import JsonObject
from contracts.ids import TenantId, UploadId
from libs.object_store.port import ObjectChangedError, ObjectNotFoundError, ObjectStore, StoreUnavailableError
from services.delivery.publishing import metrics
from services.delivery.publishing.domain.outcome import Published


class FileGoneError(Exception):
    """The file is not in our store any more."""

    code = "file_gone"


@dataclass(frozen=True)
class File:
    """The verified bytes, to be read from anywhere and as often as it takes."""

    store: ObjectStore
    key: str
    size_bytes: int
    content_type: str

    async def read(self, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
        """`length` bytes from `start` (all that follow), in pieces of at most 1 MiB.

        Raises:
            FileGoneError, libs.object_store.port.StoreUnavailableError
        """
        left = self.size_bytes - start if length is None else length
        if left == 0:
            return
        pieces = cast(AsyncGenerator[bytes, None], self.store.read(self.key, start=start, length=left))
        try:
            async with aclosing(pieces):
                async for piece in pieces:
                    left -= len(piece)
                    metrics.BYTES.inc(len(piece))
                    yield piece
        except (ObjectNotFoundError, ObjectChangedError) as error:
            raise FileGoneError from error
        if left:
            raise StoreUnavailableError("the store ended the object early")


@dataclass(frozen=True)
class Entry:
    """What is published beside the bytes."""

    publication_id: UUID
    upload_id: UploadId
    tenant_id: TenantId
    title: str
    description: str | None
    tags: tuple[str, ...]
    file_name: str
    """Made harmless: one path segment, never empty."""
    youtube: JsonObject | None = None

    @property
    def names(self) -> dict[str, str]:
        """For templates, see `contracts.account`."""
        return {
            "publication_id": str(self.publication_id),
            "upload_id": str(self.upload_id),
            "file_name": self.file_name,
        }


class Checkpoint(Protocol):
    """What an attempt leaves to the one that goes on after it."""

    @property
    def state(self) -> JsonObject | None:
        """As an earlier attempt, or this one, saved it last."""

    async def save(self, state: JsonObject) -> None:
        """Keeps `state`, encrypted. Raises when the publication is no longer ours: the attempt must end then."""


class Connector(Protocol):
    async def publish(self, entry: Entry, file: File, checkpoint: Checkpoint) -> Published:
        """Returns when the destination has confirmed all of it. In constant memory, whatever the size.

        Raises:
            services.delivery.publishing.domain.error.PublishError
            FileGoneError, libs.object_store.port.StoreUnavailableError: from `file`.
        """

    async def give_up(self, entry: Entry, state: JsonObject | None) -> None:
        """Nothing more will be tried: removes what lies half-done at the destination. May fail like `publish`."""

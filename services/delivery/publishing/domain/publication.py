"""A publication: one upload on its way to one account."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from contracts.envelope import Envelope
from contracts.events import PublicationRequested, StoredObject
from contracts.ids import TenantId, UploadId
from services.delivery.publishing.domain.error import PublishCode

PUBLICATIONS: Final = "publications"
"""The wake-up of the loop that dispatches them."""

MAX_LOSSES: Final = 25
"""After so many workers in a row that died over it, a publication is given up."""

STANDARD_SECONDS: Final = (0.0, 10.0, 60.0, 300.0, 900.0, 3600.0, 10800.0, 21600.0, 43200.0)
"""The pauses before the attempts: 22 hours altogether."""

Status = Literal["scheduled", "dispatching", "retrying", "published", "failed"]


@dataclass(frozen=True)
class Account:
    tenant_id: TenantId
    kind: str
    sealed_settings: str
    removed: bool


@dataclass(frozen=True)
class KnownFile:
    """What is known of an upload's file; each part comes with another event, in any order."""

    upload_id: UploadId
    tenant_id: TenantId
    stored: StoredObject | None = None
    file_name: str | None = None
    missing: PublishCode | None = None
    """Why there is none, and never will be."""
    missing_message: str | None = None

    def merged(self, later: "KnownFile") -> "KnownFile":
        """What both say together; what was known first stays."""
        first = self if self.missing is not None else later
        return KnownFile(
            self.upload_id,
            self.tenant_id,
            stored=self.stored or later.stored,
            file_name=self.file_name or later.file_name,
            missing=first.missing,
            missing_message=first.missing_message,
        )


@dataclass(frozen=True)
class NewPublication:
    """What is asked for; it waits for the file and for its time."""

    id: UUID
    upload_id: UploadId
    tenant_id: TenantId
    account_id: UUID
    due_at: datetime
    cause: Envelope
    """The message that asks for it."""


@dataclass(frozen=True)
class Publication:
    """What all events about it say."""

    id: UUID
    upload_id: UploadId
    tenant_id: TenantId
    account_id: UUID
    sequence: int
    attempts: int
    """Those that ended, well or not."""


@dataclass(frozen=True)
class Share:
    """How many publications a process may claim now."""

    limit: int
    places: int
    """About so many to one account may be under way in all processes together; one while its destination does not answer."""
    tenant_places: int
    """So many for one tenant in this process."""
    running: Mapping[TenantId, int]
    """Of these, those under way."""


@dataclass(frozen=True)
class Claimed:
    """Ours alone until the lease ends."""

    publication: Publication
    request: PublicationRequested
    cause: Envelope
    """The message that asked for it; events about the publication continue its trace."""
    account: Account
    file: KnownFile
    lease: UUID
    losses: int
    """Claims in a row that did not end in order, this one included."""
    store_errors: int
    """How often in a row our own store failed so far."""
    sealed_state: str | None
    """What the connector wants to know when it goes on after a cut."""
    is_news: bool
    """It was not being dispatched before."""
    late_seconds: float
    """Since it was due."""

    @property
    def is_exhausted(self) -> bool:
        return self.losses > MAX_LOSSES


def store_pause_seconds(errors: int) -> float:
    """After the `errors`-th failure of our own store in a row: 1 s doubling to 60 s."""
    return float(min(60, 2 ** min(6, max(0, errors - 1))))

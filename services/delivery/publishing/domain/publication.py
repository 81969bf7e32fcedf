"""A publication: one upload on its way to one account."""

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
    due_at: datetime | None
    """None: at once."""
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
class Claimed:
    """Ours alone until the lease ends."""

    publication: Publication
    request: PublicationRequested
    cause: Envelope
    """The message that asked for it; events about the publication continue its trace."""
    account: Account
    file: KnownFile
    lease: UUID
    """Of this claim."""
    losses: int
    """Claims in a row that did not end in order, this one included."""
    store_errors: int
    """How often in a row our own store failed so far."""
    sealed_state: str | None
    """What the connector wants to know when it goes on after a cut."""
    is_first_dispatch: bool
    """It was not being dispatched before."""
    lag_seconds: float
    """Since it was due."""

    @property
    def tenant_id(self) -> TenantId:
        return self.publication.tenant_id

    @property
    def ids(self) -> dict[str, str]:
        """For logs."""
        publication = self.publication
        return {
            "publication_id": str(publication.id),
            "upload_id": str(publication.upload_id),
            "account_id": str(publication.account_id),
        }

    @property
    def is_exhausted(self) -> bool:
        return self.losses > MAX_LOSSES

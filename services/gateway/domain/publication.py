"""The publication of one upload to one account, as delivery tells it, and what it costs."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from contracts.ids import TenantId, UploadId
from services.gateway.domain.account import AccountId

Status = Literal["scheduled", "dispatching", "retrying", "published", "failed"]
Quota = Literal["reserved", "settled", "released"]
"""What became of the unit of the account's quota that it took when it was asked for."""

Progress = Literal["scheduled", "processing", "uploaded", "failed"]
"""What clients are told: who dispatches, and how often, is nobody's business."""

FINAL: Final = frozenset({"published", "failed"})


@dataclass(frozen=True)
class NewPublication:
    upload_id: UploadId
    tenant_id: TenantId
    account_id: AccountId
    position: int
    """In the client's list of accounts."""
    due_at: datetime | None
    """None: at once."""
    at: datetime
    """When it was asked for."""


@dataclass(frozen=True)
class Publication:
    id: UUID
    upload_id: UploadId
    tenant_id: TenantId
    account_id: AccountId
    kind: str
    """Of the account."""
    due_at: datetime | None
    """None: at once."""
    status: Status
    sequence: int
    """Of the newest step that is known."""
    quota: Quota
    external_id: str | None
    error_code: str | None
    error_message: str | None

    @property
    def progress(self) -> Progress:
        """Without a time of its own it is being dispatched from the beginning."""
        match self.status:
            case "scheduled":
                return "scheduled" if self.due_at else "processing"
            case "published":
                return "uploaded"
            case "failed":
                return "failed"
        return "processing"


def aggregate(entries: Iterable[Progress]) -> Progress:
    """Of one upload's publications (decision 5.4.20): the end is told when all have ended, a failure before a success.

    Those that wait for their time are `scheduled` until something was dispatched. `store.submission` says the same in SQL.
    """
    known = set(entries)
    if "processing" in known or {"scheduled", "uploaded"} <= known:
        return "processing"
    for progress in ("scheduled", "failed"):
        if progress in known:
            return progress
    return "uploaded"


def settled(quota: Quota, status: Status) -> Quota:
    """After a step: a unit stays with the account when the publication was confirmed, and goes back when it has failed."""
    match status:
        case "published":
            return "settled"
        case "failed" if quota == "reserved":
            return "released"
    return quota


def released_units(before: Quota, after: Quota) -> int:
    """How many go back to the account; negative where one that had gone back is taken again."""
    return (after == "released") - (before == "released")

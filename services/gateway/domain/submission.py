"""An upload that is to be published to accounts: open while its bytes may come, completed when the client says so."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from contracts.ids import TenantId, UploadId


class SubmissionState(StrEnum):
    OPEN = "open"
    COMPLETED = "completed"
    ABORTED = "aborted"
    EXPIRED = "expired"


@dataclass(frozen=True)
class Submission:
    upload_id: UploadId
    tenant_id: TenantId
    part_bytes: int | None
    """Size of all parts but the last, of a multipart upload."""
    state: SubmissionState
    expires_at: datetime
    """Until then an open one may be completed."""
    completed_at: datetime | None
    """When it became a record of the tenant's history."""

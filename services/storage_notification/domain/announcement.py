"""When an object that lies in `staging/` has to be announced, or announced again."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from contracts.ids import TenantId, UploadId

AGAIN_AFTER: Final = (timedelta(minutes=2), timedelta(minutes=10), timedelta(hours=1))
"""An announced object that still lies there: its announcement may be lost. Later ones follow at the last distance."""


@dataclass(frozen=True)
class Expected:
    """An upload whose bytes are awaited, or were seen already."""

    upload_id: UploadId
    tenant_id: TenantId
    key: str
    traceparent: str | None = None
    announced_etag: str | None = None
    announced_at: datetime | None = None
    announcements: int = 0
    """How often this ETag was announced."""


@dataclass(frozen=True)
class Expectation:
    """What events say of the object that an upload awaits."""

    upload_id: UploadId
    tenant_id: TenantId
    key: str | None = None
    """Known from the registration; so are `deadline_at` and `traceparent`."""
    deadline_at: datetime | None = None
    traceparent: str | None = None
    is_hinted: bool = False
    """Somebody says that the object is there: as good as a notice of the store, which may have none to send."""
    is_ended: bool = False

    def merged(self, later: "Expectation") -> "Expectation":
        """What both say together; of two registrations the first counts."""
        known = self if self.key is not None else later
        return Expectation(
            self.upload_id, self.tenant_id, known.key, known.deadline_at, known.traceparent,
            is_hinted=self.is_hinted or later.is_hinted, is_ended=self.is_ended or later.is_ended,
        )  # fmt: skip


def is_due(expected: Expected, etag: str, now: datetime) -> bool:
    """True for a version that was not announced, and for one whose announcement led to nothing."""
    if expected.announced_etag != etag or expected.announced_at is None:
        return True
    pause = AGAIN_AFTER[min(max(expected.announcements, 1), len(AGAIN_AFTER)) - 1]
    return now - expected.announced_at >= pause

"""How an upload ended, in delivery's own words, and what of it must be known before it can be announced."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from contracts.events import Callback, Rendition
from contracts.ids import TenantId, UploadId


class Outcome(BaseModel):
    """The first terminal state. There is one for each upload; what happens to the file later is not announced."""

    model_config = ConfigDict(frozen=True)

    state: Literal["ready", "processing_failed", "rejected", "aborted", "expired"]
    version: int
    """Of the event that said so, see `contracts.events.Stage`."""
    ended_at: AwareDatetime
    error_code: str | None = None
    error_message: str | None = None
    renditions: tuple[Rendition, ...] = ()

    @property
    def has_file(self) -> bool:
        """Its bytes were accepted, so that UploadCompleted says, or will say, how many they are."""
        return self.state in {"ready", "processing_failed"}


class Upload(BaseModel):
    """What delivery knows of an upload; each part comes with another event, in any order."""

    model_config = ConfigDict(frozen=True)

    upload_id: UploadId
    tenant_id: TenantId
    callback: Callback | None = None
    outcome: Outcome | None = None
    size_bytes: int | None = None
    mime_type: str | None = None

    def merged(self, later: "Upload") -> "Upload":
        """What both say together; what was known first stays."""
        return Upload(
            upload_id=self.upload_id,
            tenant_id=self.tenant_id,
            callback=self.callback or later.callback,
            outcome=self.outcome or later.outcome,
            size_bytes=later.size_bytes if self.size_bytes is None else self.size_bytes,
            mime_type=self.mime_type or later.mime_type,
        )

    @property
    def is_complete(self) -> bool:
        """Nothing that its callback shows can still be missing."""
        if self.callback is None or self.outcome is None:
            return False
        return self.size_bytes is not None or not self.outcome.has_file

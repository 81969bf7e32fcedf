"""Settings of the session service."""

from typing import Literal

from pydantic import Field

from libs.runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    session_batch: int = Field(default=50, ge=1, le=1000)
    """Sessions that a job claims at once, and small files (below 64 MiB) that are promoted at the same time, per process."""
    session_copies: int = Field(default=16, ge=1, le=200)
    """Promotions of large files, and deletions, under way at the same time, per process."""
    session_lease_seconds: float = Field(default=20, ge=3)
    """How long a promotion belongs to a process that no longer renews it."""
    session_retention_grace_seconds: float = Field(default=7200, ge=0)
    """How long a file that nobody can read any more still lies in the store: it may have been kept in its last moment, and the
    event about that may take as long."""
    session_forget_days: float = Field(default=30, gt=0)
    """How long it is remembered that an upload ended without a file, or that its file was removed; longer than any event about
    it may be on its way."""
    clamd_url: str | None = None
    """`tcp://host:3310` or `unix:///path/clamd.sock`: nothing is accepted that this clamd did not scan. None: no scanning."""
    session_scans: int = Field(default=4, ge=1, le=100)
    """Scans under way at the same time, per process, of small and of large files each. Twice this, times the processes, should
    be less than clamd's `MaxThreads`."""
    session_scan_seconds: float = Field(default=300, gt=0)
    """How long clamd may take for one step of a scan before it counts as failed; more than its `MaxScanTime`."""
    session_scan_oversized: Literal["accept", "reject"] = "reject"
    """What happens with files beyond clamd's limits (`StreamMaxLength`)."""

"""Settings of the session service."""

from pydantic import Field

from libs.runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    session_batch: int = Field(default=50, ge=1, le=1000)
    """Sessions that a job claims at once."""
    session_copies: int = Field(default=16, ge=1, le=200)
    """Server-side copies and deletions under way at the same time, per process."""
    session_lease_seconds: float = Field(default=20, ge=3)
    """How long a promotion belongs to a process that no longer renews it."""

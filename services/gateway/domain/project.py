"""A project of the Uploadcare API: a pair of keys, and the rules for files that are uploaded with them."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from secrets import token_hex
from typing import NewType
from uuid import UUID

from contracts.ids import TenantId

ProjectId = NewType("ProjectId", UUID)


class ProjectStatus(StrEnum):
    """Only an active project takes files; each other status has an error of its own (U-39)."""

    ACTIVE = "active"
    BLOCKED = "blocked"
    UNPAID = "unpaid"
    OVER_LIMITS = "over_limits"
    REMOVED = "removed"


@dataclass(frozen=True)
class RateLimit:
    """A token bucket of `requests`, which fills within `per_seconds`."""

    requests: int
    per_seconds: float


@dataclass(frozen=True)
class Project:
    id: ProjectId
    tenant_id: TenantId
    name: str
    public_key: str
    secret_sealed: str = field(repr=False)
    signed_uploads: bool
    """Uploads without a valid signature are refused."""
    auto_store: bool
    """What `store=auto` means."""
    max_file_size_bytes: int
    rate_limit: RateLimit | None
    allowed_types: tuple[str, ...]
    """MIME types (`image/png`, `image/*`) that alone are accepted; empty: all."""
    forbidden_types: tuple[str, ...]
    allowed_origins: tuple[str, ...]
    """`scheme://host[:port]` of web pages that may upload; empty: any."""
    status: ProjectStatus
    created_at: datetime
    updated_at: datetime


def new_public_key() -> str:
    return token_hex(10)


def new_secret_key() -> str:
    return token_hex(20)

"""A fetch: one URL on its way into the store."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from contracts.envelope import Envelope
from contracts.events import FetchRequested
from contracts.ids import TenantId

FETCHES: Final = "fetches"
"""The wake-up of the loop that runs them."""

MAX_ATTEMPTS: Final = 10
"""After so many workers that died over it, or lost it, a fetch is given up."""


@dataclass(frozen=True)
class Found:
    """What the head of the answer said."""

    file_name: str | None
    content_type: str | None
    """A well-formed one, as it was declared."""
    total_bytes: int | None


@dataclass(frozen=True)
class Fetch:
    """Ours alone until the lease ends."""

    request: FetchRequested
    cause: Envelope
    """The message that asked for it; events about the fetch continue its trace."""
    lease: UUID
    attempts: int
    """Claims that did not end in order, this one included."""
    failures: int
    """How often the source failed so far."""
    store_errors: int
    """How often in a row the store failed so far."""
    found: Found | None
    """Of an earlier attempt, which may have brought everything into the store before it was cut off."""
    reports: int
    reported_bytes: int

    @property
    def tenant_id(self) -> TenantId:
        return self.request.tenant_id

    @property
    def is_exhausted(self) -> bool:
        return self.attempts > MAX_ATTEMPTS

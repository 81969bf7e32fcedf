"""A fetch: one URL on its way into the store."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from contracts.envelope import Envelope
from contracts.events import FetchRequested

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
    def is_exhausted(self) -> bool:
        return self.attempts > MAX_ATTEMPTS


@dataclass(frozen=True)
class Retries:
    """How often, and after which pauses, a source that failed is asked again."""

    count: int
    first_seconds: float

    def pause_seconds(self, failures: int) -> float | None:
        """After the `failures`-th failure; None: that was the last attempt."""
        return self.first_seconds * 3 ** (failures - 1) if failures <= self.count else None


def store_pause_seconds(errors: int) -> float:
    """After the `errors`-th failure of the object store in a row: 1 s doubling to 60 s."""
    return float(min(60, 2 ** min(6, max(0, errors - 1))))

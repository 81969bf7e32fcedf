"""What came of one attempt to fetch."""

from dataclasses import dataclass

from services.ingest.domain.fetch import Found


@dataclass(frozen=True)
class Fetched:
    """Everything is in the store."""

    size_bytes: int
    found: Found


@dataclass(frozen=True)
class Failed:
    """For good."""

    code: str
    message: str


@dataclass(frozen=True)
class Postponed:
    """Due again after `seconds`. `failures` and `store_errors`: how many this attempt adds."""

    seconds: float
    failures: int = 0
    store_errors: int = 0


Outcome = Fetched | Failed | Postponed

"""What came of a job."""

from dataclasses import dataclass

from contracts.events import Rendition
from services.transcoder.domain.job import Lane


@dataclass(frozen=True)
class Completed:
    mime_type: str
    renditions: tuple[Rendition, ...] = ()
    is_inspected: bool = True
    """What is in the file was said before."""


@dataclass(frozen=True)
class Failed:
    """For good."""

    code: str
    message: str
    mime_type: str | None


@dataclass(frozen=True)
class Moved:
    """Due in another lane, with its attempts counted anew."""

    lane: Lane
    mime_type: str


@dataclass(frozen=True)
class Postponed:
    """Due again after `seconds`."""

    seconds: float
    is_counted: bool
    """As one of the file's attempts; else it was the store that failed."""


Outcome = Completed | Failed | Moved | Postponed

"""What came of one attempt to publish."""

from dataclasses import dataclass

from contracts.events import JsonObject
from services.delivery.publishing.domain.error import PublishError


@dataclass(frozen=True)
class Published:
    external_id: str | None = None
    """What the destination calls it."""


@dataclass(frozen=True)
class Retrying:
    """Another attempt after `seconds`; the world is told."""

    error: PublishError
    seconds: float


@dataclass(frozen=True)
class Failed:
    """For good. `attempts`: 1 where the destination was asked."""

    error: PublishError
    attempts: int
    state: JsonObject | None
    """What the connector left, for tidying up."""


@dataclass(frozen=True)
class FileGone:
    """`Failed`, with the reason that events tell of the file."""

    state: JsonObject | None


@dataclass(frozen=True)
class Postponed:
    """Our own servers failed: another attempt after `seconds`, and nobody outside needs to know."""

    seconds: float


Outcome = Published | Retrying | Failed | FileGone | Postponed

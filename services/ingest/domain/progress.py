"""How far a fetch is, and when that is worth an event."""

from dataclasses import dataclass
from typing import Final

PAUSE_SECONDS: Final = 1.0
"""No two reports follow each other more closely."""
LONG_SECONDS: Final = 5.0
"""Then a small step is news too."""
STEP: Final = 0.02
"""A part of the whole that is news."""


@dataclass
class Progress:
    total_bytes: int | None = None
    done_bytes: int = 0
    reported_bytes: int = 0
    """Never goes back: an attempt that starts again is silent until it is further than the last one was."""
    reported_at: float = float("-inf")
    """In seconds of the event loop's clock."""

    def is_due(self, now: float) -> bool:
        news, passed = self.done_bytes - self.reported_bytes, now - self.reported_at
        if news <= 0 or passed < PAUSE_SECONDS:
            return False
        return passed >= LONG_SECONDS or (self.total_bytes is not None and news >= self.total_bytes * STEP)

    def reported(self, now: float) -> None:
        self.reported_bytes = max(self.reported_bytes, self.done_bytes)
        self.reported_at = now

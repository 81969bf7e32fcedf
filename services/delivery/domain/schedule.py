"""When a webhook is sent again."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

STANDARD_SECONDS: Final = (0.0, 5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0, 86400.0)
"""75 hours and 35 minutes. https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md"""

JITTER: Final = 0.1


@dataclass(frozen=True)
class Schedule:
    """`seconds[n]` is the pause before attempt n + 1."""

    seconds: tuple[float, ...] = STANDARD_SECONDS
    uniform: Callable[[float, float], float] = random.uniform

    def pause_after(self, attempts: int, asked_seconds: float | None = None) -> float | None:
        """Seconds until the next attempt, None when there is none left.

        `asked_seconds` is the receiver's Retry-After: honoured between once and twice the schedule's own pause.
        """
        if attempts >= len(self.seconds):
            return None
        pause = self.seconds[attempts]
        if asked_seconds is not None:
            return min(max(pause, asked_seconds), 2 * pause)
        return pause * self.uniform(1 - JITTER, 1 + JITTER)


def retry_after_seconds(value: str | None, now: datetime) -> float | None:
    """A Retry-After header as seconds from now: RFC 9110 §10.2.3. None where it is missing or malformed."""
    if value is None:
        return None
    seconds = value.strip()
    if seconds.isascii() and seconds.isdigit():
        return float(seconds)
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds()

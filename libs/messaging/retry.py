"""What becomes of a message that was not handled; the same rule for every adapter."""

from collections.abc import Sequence
from datetime import timedelta

from libs.messaging.port import Reject, Retry

TIERS = (timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=5), timedelta(minutes=30))
"""The pauses between attempts. A message that fails once more after the last one is a dead letter."""

REASON_LENGTH = 500


def next_pause(outcome: Exception, attempt: int, tiers: Sequence[timedelta] = TIERS) -> timedelta | None:
    """The tier to wait in before attempt `attempt + 1`; None: there is none, it is a dead letter."""
    if isinstance(outcome, Reject) or attempt > len(tiers):
        return None
    if isinstance(outcome, Retry):
        return next((tier for tier in tiers if tier >= outcome.delay), tiers[-1])
    return tiers[attempt - 1]


def reason(outcome: Exception) -> str:
    """For logs, headers, table columns and operators: short, and text that all of these can hold."""
    words = outcome.reason if isinstance(outcome, Reject | Retry) else f"{type(outcome).__name__}: {outcome}"
    return words[:REASON_LENGTH].encode(errors="replace").decode().replace("\0", "")

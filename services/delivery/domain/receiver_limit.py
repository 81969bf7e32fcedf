"""How many webhooks may be on their way to one receiver: as many as it takes well, few while it does not answer.

The limit grows while answers come and are quick, as a TCP connection's window does: by one for each answer at first, by one for
each round of answers after a setback. It is halved when the receiver asks for less (429, 503), and with each attempt that does
not reach it. After `OPENS_AFTER` of these in a row the receiver pauses, longer after each further one; then one webhook is its
next try.
"""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Final, Literal

INITIAL: Final = 4
PROMPT_SECONDS: Final = 1.0
"""The usual time to an answer of a receiver that holds its slots only for a moment."""
LATENCY_SLACK_SECONDS: Final = 0.05
"""An answer is quick up to twice the quickest and this: beyond, more at a time would only wait for each other."""
SMOOTHING: Final = 0.2
OPENS_AFTER: Final = 5
"""Attempts in a row that did not reach the receiver."""
FIRST_PAUSE_SECONDS: Final = 5.0
LONGEST_PAUSE_SECONDS: Final = 300.0
FORGOTTEN_SECONDS: Final = 3600.0
FORGET_EVERY_SECONDS: Final = 60.0

Reply = Literal["good", "bad", "throttled", "unreachable"]
"""What an attempt says about its receiver: a `bad` answer is one all the same."""


@dataclass
class _Receiver:
    limit: float
    grows_fast_below: float
    last_at: float
    latency_seconds: float | None = None
    """Smoothed; None before the first answer."""
    quickest_seconds: float = float("inf")
    failures: int = 0
    """In a row."""
    lowered_at: float = float("-inf")
    paused_until: float = 0.0


class ReceiverLimits:
    """Of one process."""

    def __init__(self, highest: int, clock: Callable[[], float] = monotonic) -> None:
        self._highest = highest
        self._initial = min(INITIAL, highest)
        self._clock = clock
        self._known: dict[str, _Receiver] = {}
        self._forgets_at = 0.0

    def limit(self, receiver: str) -> int:
        known = self._known.get(receiver)
        if known is None:
            return self._initial
        return 0 if self._clock() < known.paused_until else int(known.limit)

    def is_failing(self, receiver: str) -> bool:
        """Its last attempt did not reach it."""
        known = self._known.get(receiver)
        return known is not None and known.failures > 0

    def is_prompt(self, receiver: str) -> bool:
        """It answers, and quickly: it may take slots from nobody for long."""
        known = self._known.get(receiver)
        if known is None or known.latency_seconds is None or known.failures:
            return False
        return known.latency_seconds < PROMPT_SECONDS

    def learn(self, receiver: str, reply: Reply, seconds: float, running: int) -> None:
        """After an attempt of so many `seconds`, one of the `running` ones. A limit that nobody uses does not grow."""
        now = self._clock()
        self._forget(now)
        known = self._known.setdefault(receiver, _Receiver(self._initial, self._highest, now))
        known.last_at = now
        if reply == "unreachable":
            self._fail(known, now)
            return
        known.failures = 0
        self._observe(known, seconds)
        if reply == "throttled" and now - seconds >= known.lowered_at:  # once for all that were under way together
            self._lower(known, now)
        elif reply == "good" and 2 * running >= known.limit and self._is_quick(known, seconds):
            step = 1 if known.limit < known.grows_fast_below else 1 / known.limit
            known.limit = min(self._highest, known.limit + step)

    def _fail(self, known: _Receiver, now: float) -> None:
        if now < known.paused_until:  # one of those that were under way when the pause began
            return
        known.failures += 1
        self._lower(known, now)
        if known.failures >= OPENS_AFTER:
            doubled = FIRST_PAUSE_SECONDS * 2 ** min(known.failures - OPENS_AFTER, 16)
            known.paused_until = now + min(doubled, LONGEST_PAUSE_SECONDS)

    def _lower(self, known: _Receiver, now: float) -> None:
        known.limit = max(1, known.limit / 2)
        known.grows_fast_below = max(self._initial, known.limit)
        known.lowered_at = now

    @staticmethod
    def _observe(known: _Receiver, seconds: float) -> None:
        latency = seconds if known.latency_seconds is None else known.latency_seconds
        known.latency_seconds = latency + SMOOTHING * (seconds - latency)
        # The quickest is forgotten slowly: a receiver that has moved farther away is not slow for ever.
        known.quickest_seconds = min(seconds, known.quickest_seconds * 1.01)

    @staticmethod
    def _is_quick(known: _Receiver, seconds: float) -> bool:
        return seconds <= 2 * known.quickest_seconds + LATENCY_SLACK_SECONDS

    def _forget(self, now: float) -> None:
        """Receivers that were not called for an hour."""
        if now < self._forgets_at:
            return
        self._forgets_at = now + FORGET_EVERY_SECONDS
        oldest = now - FORGOTTEN_SECONDS
        self._known = {name: known for name, known in self._known.items() if known.last_at > oldest}

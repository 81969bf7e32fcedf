"""Keeps receivers that do not answer from taking the places of those that do."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Final

OPENS_AFTER: Final = 5
"""Connections in a row that failed or timed out."""
FIRST_PAUSE_SECONDS: Final = 5.0
LONGEST_PAUSE_SECONDS: Final = 300.0
FORGOTTEN_SECONDS: Final = 3600.0


@dataclass
class _Receiver:
    failures: int = 0
    last_at: float = 0.0
    closed_until: float = 0.0


class Breaker:
    """How many webhooks each receiver may be sent at a time: all its places, one while it fails, none while it pauses.

    After `OPENS_AFTER` failures in a row a receiver pauses, longer after each further one. Then one webhook is its next try.
    """

    def __init__(self, places: int, clock: Callable[[], float] = monotonic) -> None:
        self._places = places
        self._clock = clock
        self._failing: dict[str, _Receiver] = {}

    def failed(self, receiver: str) -> None:
        now = self._clock()
        known = self._failing.setdefault(receiver, _Receiver())
        known.failures += 1
        known.last_at = now
        if known.failures >= OPENS_AFTER:
            doubled = FIRST_PAUSE_SECONDS * 2 ** min(known.failures - OPENS_AFTER, 16)
            known.closed_until = now + min(doubled, LONGEST_PAUSE_SECONDS)

    def answered(self, receiver: str) -> None:
        self._failing.pop(receiver, None)

    def places(self, receiver: str) -> int:
        known = self._failing.get(receiver)
        if known is None:
            return self._places
        return 1 if self._clock() >= known.closed_until else 0

    def failing(self) -> list[str]:
        """The receivers that have fewer than all their places; those not tried for an hour are forgotten."""
        oldest = self._clock() - FORGOTTEN_SECONDS
        self._failing = {name: known for name, known in self._failing.items() if known.last_at > oldest}
        return list(self._failing)

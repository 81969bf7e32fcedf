"""The pauses of a loop that looks for work where nobody tells it of some."""

LONGER = 10
"""How much longer than the first pause the longest is, where nobody says otherwise."""


class Poll:
    """Short pauses after there was work, then longer and longer ones.

    Whoever makes work in this process wakes its loop. What is left to be found are rows that become due later, and rows of a
    process that died. A pause is hardly longer than the time since there was work, so that what becomes due later is found
    before twice its time has passed, or the longest pause; and a loop that idles costs next to nothing.
    """

    def __init__(self, shortest_seconds: float, longest_seconds: float | None = None) -> None:
        self._shortest_seconds = shortest_seconds
        self._longest_seconds = longest_seconds or LONGER * shortest_seconds
        self._next_seconds = shortest_seconds

    def restart(self) -> None:
        """There was work."""
        self._next_seconds = self._shortest_seconds

    def next_pause(self) -> float:
        """Seconds until the next look."""
        pause = self._next_seconds
        self._next_seconds = min(2 * pause, self._longest_seconds)
        return pause

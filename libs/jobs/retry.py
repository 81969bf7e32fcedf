"""When a job that failed is tried again: pauses as data."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class RetryPolicy:
    """`pauses[n]` are the seconds after failure n + 1. After the last one it is the end, or `is_endless` repeats that pause."""

    pauses: tuple[float, ...]
    is_endless: bool = False

    @classmethod
    def growing(cls, first_seconds: float, *, factor: float, count: int) -> "RetryPolicy":
        """`count` further attempts, each after `factor` times the pause before."""
        return cls(tuple(first_seconds * factor**number for number in range(count)))

    def pause_seconds(self, failures: int) -> float | None:
        """After so many failures, this one included; None: there is no further attempt.

        It is a distance and no point in time: the statement that postpones a job adds it to the database's `now()`.
        """
        if failures <= len(self.pauses):
            return self.pauses[max(failures, 1) - 1]
        return self.pauses[-1] if self.is_endless else None


OWN_FAILURES: Final = RetryPolicy((1, 2, 4, 8, 16, 32, 60), is_endless=True)
"""For failures of our own servers, e.g. of the object store: the job is not to blame, and is tried however often it takes."""

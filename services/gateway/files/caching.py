"""What caches between this and a reader may keep (RFC 9111, RFC 8246), and for how long."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from math import floor


class Caching(Enum):
    REVALIDATED = "a copy may be kept, but is asked about: the file may be removed, or its name lead to another one"
    IMMUTABLE = "the address never leads to other bytes: it is that of something made from one file"
    PRIVATE = "the address is its holder's secret"


@dataclass(frozen=True)
class CachePolicy:
    max_age_seconds: int
    """The longest time for which anything may be kept unasked; 0: everything is asked about."""

    def cache_control(self, caching: Caching, expires_at: datetime | None, now: datetime) -> str:
        """`Cache-Control` of an answer that holds until `expires_at`: nothing is kept beyond that."""
        seconds = self.max_age_seconds
        if expires_at is not None:
            seconds = min(seconds, floor((expires_at - now).total_seconds()))
        if caching is Caching.PRIVATE:
            return f"private, max-age={seconds}" if seconds > 0 else "private, no-cache"
        if caching is Caching.REVALIDATED or seconds <= 0:
            return "no-cache"
        return f"public, max-age={seconds}, immutable"

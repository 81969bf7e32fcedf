"""A place in a listing by time: where a page begins."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

FIRST_ID: Final = UUID(int=0)
LAST_ID: Final = UUID(int=2**128 - 1)


@dataclass(frozen=True)
class Place:
    """The page begins here, with this row if it is still there."""

    at: datetime
    id: UUID


@dataclass(frozen=True)
class Window:
    """Which part of a listing is asked for."""

    start: Place | None
    descending: bool
    limit: int

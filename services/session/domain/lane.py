"""Which uploads are promoted together."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Lane:
    """Sizes that are promoted together, so that a large copy delays no small one."""

    name: str
    """Also the wake-up that its loop waits for."""
    min_bytes: int
    max_bytes: int


SMALL: Final = Lane("promotion.small", 0, (64 << 20) - 1)
LARGE: Final = Lane("promotion.large", 64 << 20, (1 << 63) - 1)


def lane_of(size_bytes: int) -> Lane:
    return SMALL if size_bytes <= SMALL.max_bytes else LARGE

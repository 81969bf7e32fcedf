"""What the arguments of image operations mean. `str` of a value is its one canonical spelling."""

from dataclasses import dataclass
from typing import Final

Size = tuple[int, int]
"""Width and height in pixels."""


@dataclass(frozen=True)
class Length:
    """A number of pixels, or of hundredths of an edge of the image."""

    value: float
    percent: bool = False

    def pixels(self, edge: int) -> int:
        return round(edge * self.value / 100) if self.percent else int(self.value)

    def __str__(self) -> str:
        return f"{self.value:.8g}p" if self.percent else str(int(self.value))


@dataclass(frozen=True)
class Lengths:
    """The size of a part of an image; at least one pixel each way."""

    width: Length
    height: Length

    def pixels(self, size: Size) -> Size:
        return max(1, self.width.pixels(size[0])), max(1, self.height.pixels(size[1]))

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True)
class Edges:
    """The size of a result in pixels; where one edge is left out, it follows from the image's proportions."""

    width: int | None
    height: int | None

    def __str__(self) -> str:
        return f"{self.width or ''}x{self.height or ''}"


@dataclass(frozen=True)
class Ratio:
    """Proportions, in lowest terms."""

    width: int
    height: int

    def within(self, size: Size) -> Size:
        """The largest box of these proportions that `size` holds."""
        factor = min(size[0] / self.width, size[1] / self.height)
        return max(1, round(self.width * factor)), max(1, round(self.height * factor))

    def __str__(self) -> str:
        return f"{self.width}:{self.height}"


@dataclass(frozen=True)
class Offset:
    """Where a part of an image begins. A percentage is of the room that is left, so that 50p,50p is the centre."""

    x: Length
    y: Length

    def start(self, size: Size, kept: Size) -> tuple[int, int]:
        """Left and top of a part of the size `kept`; it may reach beyond the image."""
        return _start(self.x, size[0], kept[0]), _start(self.y, size[1], kept[1])

    def start_inside(self, size: Size, kept: Size) -> tuple[int, int]:
        """The same, moved into the image, which is at least as large as `kept`."""
        x, y = self.start(size, kept)
        return min(max(x, 0), size[0] - kept[0]), min(max(y, 0), size[1] - kept[1])

    def __str__(self) -> str:
        return f"{self.x},{self.y}"


def _start(offset: Length, edge: int, kept: int) -> int:
    return int((edge - kept) * offset.value // 100) if offset.percent else int(offset.value)


ZERO: Final = Length(0)
HALF: Final = Length(50, percent=True)
WHOLE: Final = Length(100, percent=True)

CORNER: Final = Offset(ZERO, ZERO)
CENTER: Final = Offset(HALF, HALF)

OFFSETS: Final = {
    "center": CENTER,
    "top": Offset(HALF, ZERO),
    "right": Offset(WHOLE, HALF),
    "bottom": Offset(HALF, WHOLE),
    "left": Offset(ZERO, HALF),
}


@dataclass(frozen=True)
class Radii:
    """Of the corners, clockwise from the upper left one, as CSS's `border-radius` has them."""

    corners: tuple[Length, Length, Length, Length]

    def __str__(self) -> str:
        return ",".join(str(radius) for radius in self.corners)

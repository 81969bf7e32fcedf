"""What geometric operations come down to for an image of a known size, and how it is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from services.gateway.domain.image.pixel import fill_colour
from services.gateway.domain.image.value import Size

if TYPE_CHECKING:
    import pyvips

MAX_RESULT_PIXELS: Final = 25_000_000
MAX_RESULT_EDGE: Final = 16_383
"""What every format can hold."""


class ResultTooLargeError(Exception):
    """What is asked for has more pixels than a result may have."""

    code = "result_too_large"


def check_result(size: Size) -> None:
    """Raises ResultTooLargeError."""
    if max(size) > MAX_RESULT_EDGE or size[0] * size[1] > MAX_RESULT_PIXELS:
        raise ResultTooLargeError


@dataclass(frozen=True)
class Scale:
    """To this size, whatever the proportions."""

    width: int
    height: int

    def apply(self, image: pyvips.Image) -> pyvips.Image:
        return image.thumbnail_image(self.width, height=self.height, size="force")


@dataclass(frozen=True)
class Cut:
    """Takes a part out; it may reach beyond the image, and what the image does not cover is filled."""

    x: int
    y: int
    width: int
    height: int
    fill: str | None = None

    def is_inside(self, size: Size) -> bool:
        return 0 <= self.x <= size[0] - self.width and 0 <= self.y <= size[1] - self.height

    def apply(self, image: pyvips.Image) -> pyvips.Image:
        if self.is_inside((image.width, image.height)):
            return image.crop(self.x, self.y, self.width, self.height)
        if self.fill is not None and len(self.fill) == 8 and not image.hasalpha():
            image = image.addalpha()
        background = fill_colour(self.fill, image)
        if self.x >= image.width or self.y >= image.height or self.x <= -self.width or self.y <= -self.height:
            return image.new_from_image(background).embed(0, 0, self.width, self.height, extend="copy")
        return image.embed(-self.x, -self.y, self.width, self.height, extend="background", background=background)


@dataclass(frozen=True)
class SmartCut:
    """Takes out the part that draws most attention."""

    width: int
    height: int

    def apply(self, image: pyvips.Image) -> pyvips.Image:
        return image.smartcrop(self.width, self.height, interesting="attention")


@dataclass(frozen=True)
class Turn:
    """By a right angle, or two or three of them, clockwise."""

    angle: Literal[90, 180, 270]
    width: int
    height: int

    def apply(self, image: pyvips.Image) -> pyvips.Image:
        return image.rot(f"d{self.angle}")


@dataclass(frozen=True)
class Reverse:
    """Swaps left and right, or top and bottom."""

    direction: Literal["horizontal", "vertical"]
    width: int
    height: int

    def apply(self, image: pyvips.Image) -> pyvips.Image:
        return image.flip(self.direction)


Action = Scale | Cut | SmartCut | Turn | Reverse

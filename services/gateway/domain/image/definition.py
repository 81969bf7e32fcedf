"""Operations that blur and sharpen. https://uploadcare.com/docs/effects-enhancements/#operation-blur"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from services.gateway.domain.image import argument
from services.gateway.domain.image.operation import Effect, Operation, UnavailableOperation
from services.gateway.domain.image.pixel import as_bytes, mixed
from services.gateway.domain.image.value import Lengths, Offset

if TYPE_CHECKING:
    import pyvips

MAX_STRENGTH: Final = 5000
WIDEST: Final = 4.0
"""Standard deviation in pixels up to which an image is blurred at its own size: the cost grows with it."""
SHARPENING_RADIUS: Final = 1.0
FULL_SHARPNESS: Final = 5
"""The strength at which all of the difference to the blurred image is added."""


def blur(image: pyvips.Image, strength: int, amount: int) -> pyvips.Image:
    """Gaussian, its standard deviation being a tenth of the strength. An amount below zero sharpens: an unsharp mask."""

    def change(colours: pyvips.Image) -> pyvips.Image:
        return mixed(colours, blurred(colours, strength / 10), amount / 100)

    return _with_transparency(image, change) if strength else image


def blur_region(image: pyvips.Image, lengths: Lengths, start: Offset, strength: int | None) -> pyvips.Image:
    """Blurs a part; without a strength so that nothing of that part can be made out."""
    width, height = lengths.pixels((image.width, image.height))
    left, top = start.x.pixels(image.width), start.y.pixels(image.height)
    width, height = min(width, image.width - left), min(height, image.height - top)
    if width <= 0 or height <= 0:
        return image
    part = image.crop(left, top, width, height)
    hidden = blur(part, strength if strength is not None else max(10, min(width, height) * 10 // 2), 100)
    return image.insert(hidden, left, top)


def sharpen(image: pyvips.Image, strength: int) -> pyvips.Image:
    """An unsharp mask."""

    def change(colours: pyvips.Image) -> pyvips.Image:
        return mixed(blurred(colours, SHARPENING_RADIUS), colours, 1 + strength / FULL_SHARPNESS)

    return _with_transparency(image, change)


def blurred(colours: pyvips.Image, deviation: float) -> pyvips.Image:
    """A wide blur is made of a smaller image: nobody sees the difference, and no strength costs more than another."""
    if deviation <= WIDEST:
        return colours.gaussblur(deviation)
    factor = deviation / WIDEST
    width, height = max(1, round(colours.width / factor)), max(1, round(colours.height / factor))
    across, down = width / colours.width, height / colours.height
    small = colours.resize(across, vscale=down, kernel="linear").gaussblur(WIDEST)
    return small.affine(
        [1 / across, 0, 0, 1 / down],
        oarea=[0, 0, colours.width, colours.height],
        idx=(1 - across) / 2,  # so that the centres of both images lie on each other
        idy=(1 - down) / 2,
        extend="copy",
    )


def _with_transparency(image: pyvips.Image, change: Callable[[pyvips.Image], pyvips.Image]) -> pyvips.Image:
    """What is transparent lends no colour to its neighbours."""
    if not image.hasalpha():
        return as_bytes(change(image.cast("float")))
    return as_bytes(change(image.premultiply()).unpremultiply())


DEFINITION: Final[tuple[Operation, ...]] = (
    Effect(
        "blur",
        (
            argument.integer("strength", 0, MAX_STRENGTH, default=10),
            argument.integer("amount", -200, 100, default=100),
        ),
        apply=blur,
    ),
    UnavailableOperation(
        "blur_region",
        (argument.choice("region", {"faces": "faces"}), argument.integer("strength", 0, MAX_STRENGTH, default=None)),
        needs="a face detector",
    ),
    Effect(
        "blur_region",
        (argument.lengths(), argument.point(), argument.integer("strength", 0, MAX_STRENGTH, default=None)),
        apply=blur_region,
    ),
    Effect("sharp", (argument.integer("strength", 0, 20, default=5),), apply=sharpen, neutral=(0,)),
)

"""Operations on colours. https://uploadcare.com/docs/effects-enhancements/#image-colors-operations

All but `enhance` look at each pixel alone and get its colours as numbers from 0 to 255.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from services.gateway.domain.image import argument
from services.gateway.domain.image.operation import Effect, Operation
from services.gateway.domain.image.pixel import in_numbers, luminance, mixed

if TYPE_CHECKING:
    import pyvips

MIDDLE_GREY: Final = 127.5
MOST_WARMTH: Final = 0.4
"""By how much of itself red grows and blue shrinks at the warmest."""
CUT_OFF_PERCENT: Final = 0.5
"""Of the darkest and of the brightest pixels, which `enhance` lets go."""
ENHANCED_SATURATION: Final = 0.2


def brightness(colours: pyvips.Image, value: int) -> pyvips.Image:
    """Adds the value to each colour."""
    return colours + value


def exposure(colours: pyvips.Image, value: int) -> pyvips.Image:
    """A curve that leaves black and white where they are; 100 doubles its slope in the shadows."""
    return 255 - ((255 - colours) / 255) ** (2 ** (value / 100)) * 255


def gamma(colours: pyvips.Image, value: int) -> pyvips.Image:
    """Below 100 brighter, above it darker."""
    return colours * 0 + 255 if value == 0 else (colours / 255) ** (value / 100) * 255


def contrast(colours: pyvips.Image, value: int) -> pyvips.Image:
    """Around the middle grey."""
    factor = 1 + value / 100
    return colours * factor + MIDDLE_GREY * (1 - factor)


def saturation(colours: pyvips.Image, value: int) -> pyvips.Image:
    return mixed(luminance(colours), colours, 1 + value / 100)


def vibrance(colours: pyvips.Image, value: int) -> pyvips.Image:
    """As saturation, the more the duller a colour is."""
    red, green, blue = colours[0], colours[1], colours[2]
    most, least = red.bandrank([green, blue], index=2), red.bandrank([green, blue], index=0)
    dullness = 1 - (most - least) / 255
    grey = luminance(colours)
    return grey + (colours - grey) * (dullness * (value / 100) + 1)


def warmth(colours: pyvips.Image, value: int) -> pyvips.Image:
    share = MOST_WARMTH * value / 100
    return colours * [1 + share, 1, 1 - share]


def grayscale(colours: pyvips.Image) -> pyvips.Image:
    return luminance(colours)


def invert(colours: pyvips.Image) -> pyvips.Image:
    return 255 - colours


def enhance(image: pyvips.Image, strength: int) -> pyvips.Image:
    """Stretches each colour to its full range, and makes colours a little more intense."""
    ranges = [_range(image[band]) for band in range(3)]
    slopes = [255 / (high - low) for low, high in ranges]
    offsets = [-low * slope for (low, _high), slope in zip(ranges, slopes, strict=True)]

    def change(colours: pyvips.Image) -> pyvips.Image:
        levelled = colours.linear(slopes, offsets).clamp(min=0, max=255)
        return mixed(colours, mixed(luminance(levelled), levelled, 1 + ENHANCED_SATURATION), strength / 100)

    return in_numbers(image, change)


def _range(band: pyvips.Image) -> tuple[float, float]:
    """The darkest and the brightest value of a band, but for a few pixels; all there is where it has only one value."""
    low, high = band.percent(CUT_OFF_PERCENT), band.percent(100 - CUT_OFF_PERCENT)
    return (low, high) if low < high else (0, 255)


def _adjustment(
    name: str, low: int, high: int, apply: Callable[[pyvips.Image, int], pyvips.Image], *, neutral: int = 0
) -> Effect:
    value = argument.integer("value", low, high)
    return Effect(name, (value,), apply=apply, neutral=(neutral,), is_pointwise=True)


COLOURS: Final[tuple[Operation, ...]] = (
    _adjustment("brightness", -100, 100, brightness),
    _adjustment("exposure", -500, 500, exposure),
    _adjustment("gamma", 0, 1000, gamma, neutral=100),
    _adjustment("contrast", -100, 500, contrast),
    _adjustment("saturation", -100, 500, saturation),
    _adjustment("vibrance", -100, 500, vibrance),
    _adjustment("warmth", -100, 100, warmth),
    Effect("grayscale", apply=grayscale, is_pointwise=True),
    Effect("invert", apply=invert, is_pointwise=True),
    Effect("enhance", (argument.integer("strength", 0, 100, default=50),), apply=enhance, neutral=(0,), measures=True),
)

"""What several image operations do with the pixels of an image."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyvips


def fill_colour(setfill: str | None, image: pyvips.Image) -> list[int]:
    """One number for each of the image's bands: the fill colour, else nothing at all, else white."""
    if setfill is None:
        return [0, 0, 0, 0] if image.hasalpha() else [255, 255, 255]
    return list(bytes.fromhex(setfill.ljust(8, "f")))[: image.bands]


def in_numbers(image: pyvips.Image, change: Callable[[pyvips.Image], pyvips.Image]) -> pyvips.Image:
    """Changes the colours as numbers from 0 to 255, without rounding in between; transparency stays as it is."""
    colours = image.extract_band(0, n=3) if image.hasalpha() else image
    changed = as_bytes(change(colours.cast("float")))
    return changed.bandjoin(image[3]).copy(interpretation="srgb") if image.hasalpha() else changed


def as_bytes(image: pyvips.Image) -> pyvips.Image:
    """Rounded and cut to eight bits."""
    return image.rint().clamp(min=0, max=255).cast("uchar").copy(interpretation="srgb")


def mixed(one: pyvips.Image, other: pyvips.Image, share: float) -> pyvips.Image:
    """`share` of `other`; below 0 and above 1 it goes on in that direction."""
    return one + (other - one) * share


def luminance(colours: pyvips.Image) -> pyvips.Image:
    """How bright the colours look, as three equal bands (ITU-R BT.601)."""
    return colours.recomb([[0.299, 0.587, 0.114]] * 3)

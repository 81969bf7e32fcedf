"""Turns pixels of any kind into eight bits of red, green and blue, as viewers show them."""

import sys
from collections.abc import Callable
from math import isfinite
from typing import Final

import pyvips

PROFILE: Final = "icc-profile-data"

_GREY: Final = ("b-w", "grey16", "multiband")
_RGB: Final = ("srgb", "rgb16", "scrgb")
_PROFILED: Final = ("srgb", "rgb", "rgb16")
_STANDARD_FORMATS: Final = ("uchar", "ushort")
_UNSIGNED: Final = (255, 65_535, 4_294_967_295)
_WHITES: Final = {"char": (127,), "short": (255, 32_767), "int": (255, 65_535, 2_147_483_647)}
"""The greatest numbers of 8, 16 and 32 bits."""


def as_srgb(image: pyvips.Image, kept_profile_bytes: float = 0) -> pyvips.Image:
    """Eight bits of red, green and blue, and of transparency where there is any. Of an image with standard samples.

    The colour profile is applied and gone, unless it has at most `kept_profile_bytes` and belongs to red, green and blue:
    then it stays with the pixels, which it is for.
    """
    if image.get_typeof(PROFILE) and not (image.interpretation in _PROFILED and len(image.get(PROFILE)) <= kept_profile_bytes):
        try:
            image = image.icc_transform("srgb", embedded=True).copy()
        except pyvips.Error as error:  # a damaged profile does not make the pixels worthless
            sys.stderr.write(f"profile ignored: {error}\n")
            image = image.copy()
        image.remove(PROFILE)
    if image.interpretation != "srgb":
        image = image.colourspace("srgb")
    return image if image.format == "uchar" else image.cast("uchar")


def has_standard_samples(image: pyvips.Image) -> bool:
    """True where libvips knows which bands are colours, and which numbers are black and white."""
    if image.interpretation not in (*_GREY, *_RGB):
        return True
    return image.format in _STANDARD_FORMATS and image.bands <= (2 if image.interpretation in _GREY else 4)


def normalize_samples(load: Callable[[], pyvips.Image]) -> pyvips.Image:
    """Measurements, elevations and HDR images as greys or as red, green and blue of 16 bits: TIFF holds such.

    `load` is called twice, because all numbers must be known before the first is shown.
    """
    image = _shown_bands(load())
    if image.format in _STANDARD_FORMATS:
        return image
    known = image.stats()  # of all bands together in the first row: https://www.libvips.org/API/current/method.Image.stats.html
    black, white = _range(image.format, least=known(0, 0)[0], greatest=known(1, 0)[0], mean=known(4, 0)[0])
    scale = 65_535 / (white - black)
    image = _shown_bands(load()).linear(scale, -black * scale).cast("ushort")
    return image.copy(interpretation="grey16" if image.bands < 3 else "rgb16")


def _shown_bands(image: pyvips.Image) -> pyvips.Image:
    """Grey or three colours, each with transparency or without: what else an image holds comes behind them."""
    is_grey = image.interpretation in _GREY
    if image.bands > (2 if is_grey else 4):
        image = image.extract_band(0, n=3).copy(interpretation="rgb16" if image.format == "ushort" else "srgb")
    if image.format in ("float", "double"):
        image = (image == image).ifthenelse(image, 0)  # noqa: PLR0124 - what is not a number is not equal to itself
    return image


def _range(image_format: str, *, least: float, greatest: float, mean: float) -> tuple[float, float]:
    """Black and white. Floats go from 0 to 1, and the lights of HDR images beyond; other numbers fill 8, 16 or 32 bits.

    What fills no such range (it is negative, greater, or all of it near to black) goes from the least to the greatest.
    """
    if not (isfinite(least) and isfinite(greatest)) or (least > -0.1 and 0 <= mean <= 1):
        return 0.0, 1.0
    if least < 0:
        return least, greatest if greatest > least else least + 1
    white = next((white for white in _WHITES.get(image_format, _UNSIGNED) if greatest <= white), greatest)
    return 0.0, white if greatest >= white / 4 else greatest

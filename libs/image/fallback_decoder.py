"""Decoders for what libvips does not read, or not as it is built for PyPI: BMP, HEVC in HEIF, CIELAB in TIFF.

They are imported where they are needed, so that nobody else has to have them; `libs.image.DECODERS` names them.
"""

from collections.abc import Callable
from typing import Any, Final

import pyvips

from libs.image.tone import PROFILE, as_srgb

_INTERPRETATIONS: Final = {
    ("uchar", False): "b-w", ("uchar", True): "srgb", ("ushort", False): "grey16", ("ushort", True): "rgb16",
}  # fmt: skip
"""By sample format, and whether there are colours."""


def decode_with_pillow(
    path: str, pillow_format: str, check_size: Callable[[tuple[int, int]], None], kept_profile_bytes: float = 0
) -> pyvips.Image:
    """All pixels, upright, as sRGB. `check_size` is asked before they are decoded."""
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = None  # our own limit is in `check_size`
    with Image.open(path, formats=(pillow_format,)) as image:
        check_size(image.size)
        ImageOps.exif_transpose(image, in_place=True)
        mode = "RGBA" if image.has_transparency_data else "RGB"
        plain = image if image.mode == mode else image.convert(mode)  # no copy more than is needed: they are large
        return _pixels(plain.tobytes(), plain.size, len(mode), image.info, kept_profile_bytes)


def decode_with_libheif(path: str, kept_profile_bytes: float = 0) -> pyvips.Image:
    """All pixels of HEVC in HEIF, upright, as sRGB.

    `pi_heif` brings libheif with the decoder alone (LGPL); what `pillow_heif` brings includes x265 (GPL).
    """
    import pi_heif
    from pi_heif import options

    options.THUMBNAILS = options.DEPTH_IMAGES = options.AUX_IMAGES = False
    image = pi_heif.open_heif(path)
    bands, _, depth = image.mode.partition(";")  # RGB, RGBA, or RGBa multiplied by the transparency; greys of 10 bits: I;16
    content = bytes(image.data)  # a copy: `data` looks into memory that goes with `image`
    sample = "ushort" if depth else "uchar"
    pixels = _pixels(content, image.size, len(bands), image.info, kept_profile_bytes, sample=sample)
    return pixels.unpremultiply().cast("uchar") if bands.endswith("a") else pixels


def _pixels(
    content: bytes,
    size: tuple[int, int],
    bands: int,
    info: dict[str | tuple[int, int], Any],
    kept_profile_bytes: float,
    *,
    sample: str = "uchar",
) -> pyvips.Image:
    pixels = pyvips.Image.new_from_memory(content, *size, bands, sample)
    pixels = pixels.copy(interpretation=_INTERPRETATIONS[sample, bands > 2])
    if profile := info.get("icc_profile"):
        pixels.set_type(pyvips.GValue.blob_type, PROFILE, profile)
    return as_srgb(pixels, kept_profile_bytes)

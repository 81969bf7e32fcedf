"""Operations that answer with facts instead of the image.

https://uploadcare.com/docs/api/url/file-information/file-info-json, https://uploadcare.com/docs/effects-enhancements/#operation-main-colors
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from services.gateway.domain.image import argument
from services.gateway.domain.image.operation import Operation, Report

if TYPE_CHECKING:
    import pyvips

SAMPLE_EDGE: Final = 128
"""Pixels of the longest edge of what the colours are counted in."""


def facts(image: pyvips.Image) -> dict[str, Any]:
    """Nothing but what is told of every image."""
    return {}


def main_colors(image: pyvips.Image, count: int) -> dict[str, Any]:
    """At most `count` colours that stand for most of the image, the most common one first."""
    from PIL import Image

    plain = image.flatten(background=255) if image.hasalpha() else image
    sample = plain.thumbnail_image(SAMPLE_EDGE, height=SAMPLE_EDGE, size="down")
    picture = Image.frombytes("RGB", (sample.width, sample.height), sample.write_to_memory())
    quantised = picture.quantize(colors=count, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    palette = quantised.getpalette() or []
    counts = enumerate(quantised.histogram()[:256])
    by_frequency = sorted(((pixels, index) for index, pixels in counts if pixels), reverse=True)
    return {"main_colors": [palette[index * 3 : index * 3 + 3] for _pixels, index in by_frequency]}


REPORTS: Final[tuple[Operation, ...]] = (
    Report("json", measure=facts),
    Report("main_colors", (argument.integer("number_of_colors", 1, 256, default=4),), measure=main_colors),
)

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
"""How many pixels of the longest edge are counted, or somewhat more."""


def facts(image: pyvips.Image) -> dict[str, Any]:
    """Nothing but what is told of every image."""
    return {}


def main_colors(image: pyvips.Image, count: int) -> dict[str, Any]:
    """At most `count` colours that stand for most of the image, the most common one first."""
    from PIL import Image

    plain = image.flatten(background=255) if image.hasalpha() else image
    step = max(1, max(plain.width, plain.height) // SAMPLE_EDGE)
    sample = plain.subsample(step, step)  # single pixels: a smaller image would have colours that the image does not have
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

"""Operations that look at what is in the image, or shape its outline.

https://uploadcare.com/docs/transformations/image/resize-crop/
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from services.gateway.domain.image import argument
from services.gateway.domain.image.operation import Effect, Operation
from services.gateway.domain.image.value import ZERO, Edges, Length, Radii

if TYPE_CHECKING:
    import pyvips

Box = tuple[int, int, int, int]
"""Left, top, width, height."""

ZOOM_TOLERANCE: Final = 10
PLAIN_SHARE: Final = 0.2
"""Of the mean detail: a column that has so much more than the plainest one is stretched half as much."""
PLAIN_ENOUGH: Final = 0.3
"""How many of the columns have to be plain for all of the stretching to be done there."""
AROUND_DETAIL: Final = 0.2
"""How wide, of the whole, the surroundings of a detail are that count as much as it: the inside of things is often plain."""


# ---------------------------------------------------------------- objects before a plain background


def trim(image: pyvips.Image, tolerance: int, padding: Length) -> pyvips.Image:
    """Cuts off what has the colour of the upper left pixel all around; `padding` of it stays."""
    left, top, width, height = _object(image, tolerance)
    across, down = padding.pixels(width), padding.pixels(height)
    right, bottom = min(image.width, left + width + across), min(image.height, top + height + down)
    left, top = max(0, left - across), max(0, top - down)
    return image.crop(left, top, right - left, bottom - top)


def zoom_objects(image: pyvips.Image, zoom: int) -> pyvips.Image:
    """Brings what stands before the background nearer; at 100 it touches the edges. The image keeps its size."""
    left, top, width, height = _object(image, ZOOM_TOLERANCE)
    share = max(width / image.width, height / image.height)
    frame = image.width * share, image.height * share
    nearest_left = min(max(left + width / 2 - frame[0] / 2, 0), image.width - frame[0])
    nearest_top = min(max(top + height / 2 - frame[1] / 2, 0), image.height - frame[1])
    part = zoom / 100
    kept_width = max(1, round(image.width + (frame[0] - image.width) * part))
    kept_height = max(1, round(image.height + (frame[1] - image.height) * part))
    left = min(round(nearest_left * part), image.width - kept_width)
    top = min(round(nearest_top * part), image.height - kept_height)
    near = image.crop(left, top, kept_width, kept_height)
    return near.thumbnail_image(image.width, height=image.height, size="force")


def _object(image: pyvips.Image, tolerance: int) -> Box:
    """What differs from the upper left pixel by more than `tolerance` hundredths; all of the image where nothing does."""
    plain = image.flatten(background=255) if image.hasalpha() else image
    options = {"threshold": max(1, tolerance * 2.55), "background": plain.getpoint(0, 0)}
    is_tiny = min(plain.width, plain.height) < 3  # single pixels are taken for noise otherwise, which takes nine of them
    left, top, width, height = plain.find_trim(**options, line_art=is_tiny)
    return (left, top, width, height) if width and height else (0, 0, image.width, image.height)


# ---------------------------------------------------------------- content-aware resizing


def smart_resize(image: pyvips.Image, edges: Edges) -> pyvips.Image:
    """To exactly these edges: scaled as a whole until it fits, then stretched where there is least to see.

    Whole columns or rows are stretched, by how little detail they hold, as in Panozzo, Weber and Sorkine, "Robust image
    retargeting via axis-aligned deformation" (2012), in its simplest form.
    """
    assert edges.width is not None and edges.height is not None
    factor = min(edges.width / image.width, edges.height / image.height)
    width, height = max(1, round(image.width * factor)), max(1, round(image.height * factor))
    fitting = image.thumbnail_image(width, height=height, size="force").copy_memory()
    if width < edges.width:
        return _stretched(fitting, edges.width)
    if height < edges.height:
        return _stretched(fitting.rot90(), edges.height).rot270()
    return fitting


def _stretched(image: pyvips.Image, width: int) -> pyvips.Image:
    grey = (image.flatten(background=255) if image.hasalpha() else image).colourspace("b-w")
    around = max(1, int(image.width * AROUND_DETAIL))
    detail = grey.sobel().project()[0].rank(around, 1, around - 1)
    sources = source_columns(detail.tolist()[0], width)
    columns = type(image).new_from_array([sources]).replicate(1, image.height)
    rows = type(image).xyz(width, image.height)[1]
    return image.mapim(columns.bandjoin(rows), extend="copy")


def source_columns(detail: Sequence[float], width: int) -> list[float]:
    """Which column each of `width` columns comes from, where each column holds so much detail."""
    weights = _stretchability(detail)
    surplus = (width - len(detail)) / sum(weights)
    ends = list(accumulate(1 + surplus * weight for weight in weights))
    sources, column = [], 0
    for wanted in range(width):
        while column < len(ends) - 1 and ends[column] <= wanted + 0.5:
            column += 1
        start = ends[column - 1] if column else 0.0
        sources.append(column + (wanted + 0.5 - start) / (ends[column] - start) - 0.5)
    return sources


def _stretchability(detail: Sequence[float]) -> list[float]:
    """From 0 to 1 for each column; the fewer plain columns there are, the more all are stretched alike."""
    plainest, mean = min(detail), sum(detail) / len(detail)
    scale = max(mean * PLAIN_SHARE, 1e-6)
    weights = [1 / (1 + ((one - plainest) / scale) ** 2) for one in detail]
    plain_share = sum(weight > 0.5 for weight in weights) / len(weights)
    alike = max(0.0, 1 - plain_share / PLAIN_ENOUGH)
    return [weight + (1 - weight) * alike for weight in weights]


# ---------------------------------------------------------------- rounded corners

_CORNERS: Final = ((False, False), (True, False), (True, True), (False, True))
"""Whether a corner is a right one, and a lower one, in the order of `Radii`."""


def border_radius(image: pyvips.Image, horizontal: Radii, vertical: Radii | None) -> pyvips.Image:
    """Makes the corners transparent, by the rules of CSS. https://www.w3.org/TR/css-backgrounds-3/#corner-shaping"""
    size = image.width, image.height
    across = [radius.pixels(size[0]) for radius in horizontal.corners]
    down = [radius.pixels(size[1]) for radius in (vertical or horizontal).corners]
    factor = overlap_factor(size, across, down)
    mask = image.new_from_image(255).extract_band(0).cast("uchar")
    for (is_right, is_lower), *radii in zip(_CORNERS, across, down, strict=True):
        width, height = (math.floor(radius * factor) for radius in radii)
        if width and height:
            corner = _corner(image, width, height, is_right=is_right, is_lower=is_lower)
            mask = mask.insert(corner, (size[0] - width) * is_right, (size[1] - height) * is_lower)
    if image.hasalpha():
        return image.extract_band(0, n=3).bandjoin((image[3] * mask / 255).rint().cast("uchar"))
    return image.bandjoin(mask)


def overlap_factor(size: tuple[int, int], across: Sequence[float], down: Sequence[float]) -> float:
    """By what radii shrink so that no two of them overlap on one side; at most 1."""
    sides = [
        (size[0], across[0] + across[1]), (size[0], across[2] + across[3]),
        (size[1], down[0] + down[3]), (size[1], down[1] + down[2]),
    ]  # fmt: skip
    return min([1.0, *(edge / radii for edge, radii in sides if radii)])


def _corner(image: pyvips.Image, width: int, height: int, *, is_right: bool, is_lower: bool) -> pyvips.Image:
    """How much of each pixel lies within the quarter of an ellipse: its distance from the outline, to first order."""
    place = type(image).xyz(width, height)
    x, y = (width - 0.5 - place[0]) / width, (height - 0.5 - place[1]) / height
    steepness = ((x / width) ** 2 + (y / height) ** 2) ** 0.5 * 2
    distance = (x**2 + y**2 - 1) / steepness
    covered = ((0.5 - distance).clamp(min=0, max=1) * 255).rint().cast("uchar")
    covered = covered.fliphor() if is_right else covered
    return covered.flipver() if is_lower else covered


CONTENT: Final[tuple[Operation, ...]] = (
    Effect("smart_resize", (argument.edges(),), apply=smart_resize, measures=True),
    Effect("zoom_objects", (argument.integer("zoom", 1, 100),), apply=zoom_objects, measures=True),
    Effect(
        "trim",
        (argument.integer("tolerance", 0, 100, default=10), argument.length("padding", default=ZERO)),
        apply=trim,
        measures=True,
    ),
    Effect(
        "border_radius",
        (argument.radii("radii"), argument.radii("vertical_radii", default=None)),
        apply=border_radius,
    ),
)

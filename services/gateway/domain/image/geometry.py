"""Operations that scale, cut and turn. https://uploadcare.com/docs/transformations/image/resize-crop/

Cuts may reach beyond the image; what it does not cover is filled.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, Literal

from services.gateway.domain.image import argument
from services.gateway.domain.image.action import Action, Cut, Reverse, Scale, SmartCut, Turn
from services.gateway.domain.image.operation import Geometry, Operation, Stretch, UnavailableOperation
from services.gateway.domain.image.value import CENTER, CORNER, Edges, Lengths, Offset, Ratio, Size


def preview(size: Size, edges: Edges) -> Iterator[Action]:
    """Fits into the edges, proportions kept, never enlarged."""
    assert edges.width is not None and edges.height is not None
    factor = min(edges.width / size[0], edges.height / size[1])
    if factor < 1:
        yield Scale(*_scaled(size, factor))


def resize(size: Size, edges: Edges, *, stretch: Stretch, setfill: str | None) -> Iterator[Action]:
    """To exactly the edges given; where one is left out, it follows from the image's proportions."""
    wanted = _wanted(edges, size)
    if stretch == "on":
        yield from _scale(wanted, size)
        return
    small = min(wanted[0], size[0]), min(wanted[1], size[1])
    yield from _scale(small, size)
    if stretch == "fill":
        yield from _cut(CENTER.start(small, wanted), small, wanted, setfill)


def scale_crop(size: Size, edges: Edges, offset: Offset, *, stretch: Stretch, setfill: str | None) -> Iterator[Action]:
    """Covers the edges, proportions kept; what hangs over is cut off."""

    def part(large: Size, kept: Size) -> Iterator[Action]:
        return _part(large, kept, offset)

    return _scale_crop(size, edges, part, stretch, setfill)


def smart_scale_crop(
    size: Size, edges: Edges, _type: str, _fallback: None, *, stretch: Stretch, setfill: str | None
) -> Iterator[Action]:
    """The same, but what draws most attention is kept."""
    return _scale_crop(size, edges, _smart_part, stretch, setfill)


def crop(size: Size, lengths: Lengths, offset: Offset, *, setfill: str | None) -> Iterator[Action]:
    """Cuts a part out; what lies outside of the image is in the fill colour."""
    kept = lengths.pixels(size)
    return _cut(offset.start(size, kept), size, kept, setfill)


def crop_to_ratio(size: Size, ratio: Ratio, offset: Offset) -> Iterator[Action]:
    """The largest part of these proportions."""
    return _part(size, ratio.within(size), offset)


def crop_image(size: Size, _tag: str, ratio: Ratio | None, lengths: Lengths | None, offset: Offset) -> Iterator[Action]:
    """The largest part of these proportions, and of that a part of this size."""
    return _part(size, _kept(size, ratio, lengths), offset)


def smart_crop(size: Size, _tag: str, ratio: Ratio | None, lengths: Lengths | None, _fallback: None) -> Iterator[Action]:
    """The same, but where the image draws most attention."""
    return _smart_part(size, _kept(size, ratio, lengths))


def rotate(size: Size, angle: int) -> Iterable[Action]:
    """Counter-clockwise."""
    clockwise: dict[int, Literal[90, 180, 270]] = {90: 270, 180: 180, 270: 90}
    if angle not in clockwise:
        return []
    width, height = size if angle == 180 else (size[1], size[0])
    return [Turn(clockwise[angle], width, height)]


def flip(size: Size) -> Iterable[Action]:
    return [Reverse("vertical", *size)]


def mirror(size: Size) -> Iterable[Action]:
    return [Reverse("horizontal", *size)]


def _wanted(edges: Edges, size: Size) -> Size:
    if edges.width is not None and edges.height is not None:
        return edges.width, edges.height
    if edges.width is not None:
        return edges.width, max(1, round(size[1] * edges.width / size[0]))
    assert edges.height is not None
    return max(1, round(size[0] * edges.height / size[1])), edges.height


def _scale_crop(
    size: Size, edges: Edges, part: Callable[[Size, Size], Iterator[Action]], stretch: Stretch, setfill: str | None
) -> Iterator[Action]:
    assert edges.width is not None and edges.height is not None
    wanted = edges.width, edges.height
    factor = max(wanted[0] / size[0], wanted[1] / size[1])
    large = size
    if stretch == "on" or factor < 1:
        width, height = _scaled(size, factor)
        large = max(width, wanted[0]), max(height, wanted[1])
    yield from _scale(large, size)
    kept = min(wanted[0], large[0]), min(wanted[1], large[1])
    yield from part(large, kept)
    if stretch == "fill":
        yield from _cut(CENTER.start(kept, wanted), kept, wanted, setfill)


def _kept(size: Size, ratio: Ratio | None, lengths: Lengths | None) -> Size:
    basis = ratio.within(size) if ratio else size
    kept = lengths.pixels(basis) if lengths else basis
    return min(kept[0], size[0]), min(kept[1], size[1])


def _part(size: Size, kept: Size, offset: Offset) -> Iterator[Action]:
    """A part that lies inside of the image."""
    return _cut(offset.start_inside(size, kept), size, kept, None)


def _smart_part(size: Size, kept: Size) -> Iterator[Action]:
    if kept != size:
        yield SmartCut(*kept)


def _cut(start: tuple[int, int], size: Size, kept: Size, fill: str | None) -> Iterator[Action]:
    if (*start, *kept) != (0, 0, *size):
        yield Cut(*start, *kept, fill)


def _scale(wanted: Size, size: Size) -> Iterator[Action]:
    if wanted != size:
        yield Scale(*wanted)


def _scaled(size: Size, factor: float) -> Size:
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


_SMART: Final = dict.fromkeys(
    ("smart", "smart_faces", "smart_faces_objects", "smart_faces_points", "smart_faces_objects_points", "smart_objects",
     "smart_objects_faces", "smart_objects_points", "smart_objects_faces_points", "smart_points"),
    "smart",
)  # fmt: skip
"""Which detectors are asked, in their order; here one measure of attention stands in for all of them."""

_STRETCHED: Final = frozenset[Literal["stretch", "setfill"]](("stretch", "setfill"))
_FILLED: Final = frozenset[Literal["stretch", "setfill"]](("setfill",))

GEOMETRY: Final[tuple[Operation, ...]] = (
    Geometry("preview", (argument.edges(default=Edges(2048, 2048)),), plan=preview),
    Geometry("resize", (argument.one_or_two_edges(),), plan=resize, uses=_STRETCHED),
    Geometry(
        "scale_crop",
        (argument.edges(), argument.choice("type", _SMART), argument.unused(argument.alignment(CENTER))),
        plan=smart_scale_crop,
        uses=_STRETCHED,
    ),
    Geometry("scale_crop", (argument.edges(), argument.alignment(CORNER)), plan=scale_crop, uses=_STRETCHED),
    UnavailableOperation(
        "crop",
        (argument.choice("tag", {"face": "face", "faces": "faces"}), *[argument.any_word("part", default=None)] * 3),
        needs="a face detector",
    ),
    Geometry(
        "crop",
        (
            argument.choice("tag", _SMART),
            argument.ratio(default=None),
            argument.lengths(default=None),
            argument.unused(argument.alignment(CENTER)),
        ),
        plan=smart_crop,
    ),
    Geometry(
        "crop",
        (
            argument.choice("tag", {"image": "image"}),
            argument.ratio(default=None),
            argument.lengths(default=None),
            argument.alignment(CENTER),
        ),
        plan=crop_image,
    ),
    Geometry("crop", (argument.ratio(), argument.alignment(CENTER)), plan=crop_to_ratio),
    Geometry("crop", (argument.lengths(), argument.alignment(CORNER)), plan=crop, uses=_FILLED),
    Geometry("rotate", (argument.right_angle(),), plan=rotate),
    Geometry("flip", plan=flip),
    Geometry("mirror", plan=mirror),
)

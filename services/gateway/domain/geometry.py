"""What the steps of a chain do to an image of a certain size: scale it, cut it, nothing else.

Cuts may reach beyond the image; what it does not cover is filled.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from services.gateway.domain.operation import CENTER, Crop, Length, Offset, Preview, Resize, ScaleCrop, Step

MAX_RESULT_PIXELS: Final = 25_000_000
MAX_RESULT_EDGE: Final = 16_383
"""What every format can hold."""

Size = tuple[int, int]
"""Width and height."""


class ResultTooLargeError(Exception):
    """What is asked for has more pixels than a result may have."""

    code = "result_too_large"


@dataclass(frozen=True)
class Scale:
    width: int
    height: int


@dataclass(frozen=True)
class Cut:
    x: int
    y: int
    width: int
    height: int
    fill: str | None = None


@dataclass(frozen=True)
class SmartCut:
    """The part that draws most attention."""

    width: int
    height: int


Action = Scale | Cut | SmartCut


def plan(steps: Iterable[Step], size: Size) -> list[Action]:
    """The actions that change an image of `size`, in order. Raises ResultTooLargeError."""
    planned: list[Action] = []
    for step in steps:
        for action in _actions(step, size):
            planned.append(action)
            size = action.width, action.height
            check_result(size)
    check_result(size)
    return planned


def check_result(size: Size) -> None:
    """Raises ResultTooLargeError."""
    if max(size) > MAX_RESULT_EDGE or size[0] * size[1] > MAX_RESULT_PIXELS:
        raise ResultTooLargeError


def _actions(step: Step, size: Size) -> Iterator[Action]:
    match step:
        case Preview():
            return _preview(step, size)
        case Resize():
            return _resize(step, size)
        case ScaleCrop():
            return _scale_crop(step, size)
        case Crop():
            return _crop(step, size)


def _preview(step: Preview, size: Size) -> Iterator[Action]:
    factor = min(step.width / size[0], step.height / size[1])
    if factor < 1:
        yield Scale(*_scaled(size, factor))


def _resize(step: Resize, size: Size) -> Iterator[Action]:
    wanted = _wanted(step, size)
    if step.stretch == "on":
        yield from _scale(wanted, size)
        return
    small = min(wanted[0], size[0]), min(wanted[1], size[1])
    yield from _scale(small, size)
    if step.stretch == "fill":
        yield from _cut(CENTER, small, wanted, step.fill)


def _wanted(step: Resize, size: Size) -> Size:
    if step.width is not None and step.height is not None:
        return step.width, step.height
    if step.width is not None:
        return step.width, max(1, round(size[1] * step.width / size[0]))
    assert step.height is not None
    return max(1, round(size[0] * step.height / size[1])), step.height


def _scale_crop(step: ScaleCrop, size: Size) -> Iterator[Action]:
    wanted = step.width, step.height
    factor = max(wanted[0] / size[0], wanted[1] / size[1])
    large = size
    if step.stretch == "on" or factor < 1:
        width, height = _scaled(size, factor)
        large = max(width, wanted[0]), max(height, wanted[1])
    yield from _scale(large, size)
    kept = min(wanted[0], large[0]), min(wanted[1], large[1])
    if step.offset is not None:
        yield from _cut(_inside(step.offset, large, kept), large, kept, None)
    elif kept != large:
        yield SmartCut(*kept)
    if step.stretch == "fill":
        yield from _cut(CENTER, kept, wanted, step.fill)


def _crop(step: Crop, size: Size) -> Iterator[Action]:
    kept = _pixels(step.width, size[0]), _pixels(step.height, size[1])
    return _cut(step.offset, size, kept, step.fill)


def _cut(offset: Offset, size: Size, kept: Size, fill: str | None) -> Iterator[Action]:
    x, y = _start(offset.x, size[0], kept[0]), _start(offset.y, size[1], kept[1])
    if (x, y, *kept) != (0, 0, *size):
        yield Cut(x, y, *kept, fill)


def _scale(wanted: Size, size: Size) -> Iterator[Action]:
    if wanted != size:
        yield Scale(*wanted)


def _scaled(size: Size, factor: float) -> Size:
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _inside(offset: Offset, size: Size, kept: Size) -> Offset:
    """`offset`, or the last one whose cut does not reach beyond the image."""
    x, y = (min(_start(*pair), pair[1] - pair[2]) for pair in zip((offset.x, offset.y), size, kept, strict=True))
    return Offset(Length(x), Length(y))


def _start(offset: Length, edge: int, kept: int) -> int:
    """Where a cut of `kept` out of `edge` pixels begins."""
    return (edge - kept) * offset.value // 100 if offset.percent else offset.value


def _pixels(length: Length, edge: int) -> int:
    return max(1, round(edge * length.value / 100)) if length.percent else length.value

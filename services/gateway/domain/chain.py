"""Reads a chain of operations: `resize/300x/-/format/webp`, what follows `/{uuid}/-/` in an address.

https://uploadcare.com/docs/transformations/image/resize-crop/, https://uploadcare.com/docs/compression/
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from services.gateway.domain.operation import (
    CENTER,
    CORNER,
    FORMATS,
    MAX_EDGE,
    MAX_EDGE_UNLESS_JPEG,
    QUALITIES,
    STRETCHES,
    Chain,
    Crop,
    Length,
    Offset,
    Preview,
    Resize,
    ScaleCrop,
    Stretch,
)

MAX_OPERATIONS: Final = 20

_EDGES = re.compile(r"([0-9]{0,6})x([0-9]{0,6})")
_LENGTHS = re.compile(r"([0-9]{1,6})([p%]?)x([0-9]{1,6})([p%]?)")
_OFFSETS = re.compile(r"([0-9]{1,6})([p%]?),([0-9]{1,6})([p%]?)")
_COLOUR = re.compile(r"[0-9a-f]{3}|[0-9a-f]{6}|[0-9a-f]{8}")
_SMART = re.compile(r"smart(_(faces|objects|points|corners))*")

_Word = TypeVar("_Word")


class OperationError(Exception):
    """An operation that there is not, or not with these arguments."""

    code = "operation_invalid"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True)
class Asked:
    chain: Chain
    file_name: str | None
    """What the address calls the result; nothing depends on it."""


def read(path: str) -> Asked:
    """`path`: operations divided by `/-/`, then optionally a file name. Raises OperationError.

    With a slash at its end all of it is operations. Without one, its last word is a file name unless it makes sense as an
    argument.
    """
    words = [word for word in path.split("/") if word]
    if path.endswith("/"):
        return Asked(_chain(words), None)
    try:
        return Asked(_chain(words), None)
    except OperationError as error:
        if len(words) < 2 or words[-2] == "-":
            raise
        try:
            return Asked(_chain(words[:-1]), words[-1])
        except OperationError as without_name:
            raise (without_name if "." in words[-1] else error) from None


@dataclass
class _Reading:
    """The chain so far, and what counts for the operations to come."""

    chain: Chain
    stretch: Stretch = "on"
    fill: str | None = None


def _chain(words: Sequence[str]) -> Chain:
    operations = list(_operations(words))
    if len(operations) > MAX_OPERATIONS:
        raise OperationError(f"At most {MAX_OPERATIONS} operations can be applied at once.")
    reading = _Reading(Chain())
    for name, arguments in operations:
        if name not in _READERS:
            raise OperationError(f'Unknown operation "{name[:50]}".')
        _READERS[name](reading, arguments)
    chain = replace(reading.chain, fill=reading.fill)
    _check_result(chain)
    return chain


def _operations(words: Sequence[str]) -> Sequence[tuple[str, Sequence[str]]]:
    found: list[list[str]] = [[]]
    for word in words:
        if word == "-":
            found.append([])
        else:
            found[-1].append(word)
    if not all(found):
        raise OperationError('There is no operation after "-/".')
    return [(operation[0], operation[1:]) for operation in found]


def _check_result(chain: Chain) -> None:
    """The last operation decides how large the result is."""
    if not chain.steps or chain.format == "jpeg":
        return
    last = chain.steps[-1]
    edges = [edge.value if isinstance(edge, Length) else edge or 0 for edge in (last.width, last.height)]
    if any(edge > MAX_EDGE_UNLESS_JPEG for edge in edges):
        raise OperationError(
            f"The result can have at most {MAX_EDGE_UNLESS_JPEG}x{MAX_EDGE_UNLESS_JPEG} pixels, "
            f"{MAX_EDGE}x{MAX_EDGE} with /format/jpeg/."
        )


# ---------------------------------------------------------------- one reader for each operation


def _preview(reading: _Reading, arguments: Sequence[str]) -> None:
    _at_most(1, "preview", arguments)
    width, height = _two_edges("preview", arguments[0]) if arguments else (2048, 2048)
    _append(reading, Preview(width, height))


def _resize(reading: _Reading, arguments: Sequence[str]) -> None:
    _at_most(1, "resize", arguments)
    width, height = _edges("resize", _argument("resize", "one_or_two_dimensions", arguments))
    if width is None and height is None:
        raise OperationError('Invalid dimensions "x" while parsing "resize".')
    _append(reading, Resize(width, height, reading.stretch, _used_fill(reading)))


def _scale_crop(reading: _Reading, arguments: Sequence[str]) -> None:
    _at_most(3, "scale_crop", arguments)
    width, height = _two_edges("scale_crop", _argument("scale_crop", "two_dimensions", arguments))
    rest = list(arguments[1:])
    if rest and _SMART.fullmatch(rest[0]):
        _at_most(2, "scale_crop", rest)
        offset = None
    else:
        _at_most(1, "scale_crop", rest)
        offset = _offset("scale_crop", rest[0]) if rest else CORNER
    _append(reading, ScaleCrop(width, height, offset, reading.stretch, _used_fill(reading)))


def _crop(reading: _Reading, arguments: Sequence[str]) -> None:
    _at_most(2, "crop", arguments)
    dimensions = _argument("crop", "two_dimensions", arguments)
    match = _LENGTHS.fullmatch(dimensions)
    if match is None:
        raise _bad_dimensions("crop", dimensions)
    width, height = _length("crop", match[1], match[2]), _length("crop", match[3], match[4])
    offset = _offset("crop", arguments[1]) if len(arguments) > 1 else CORNER
    _append(reading, Crop(width, height, offset, reading.fill))


def _stretch(reading: _Reading, arguments: Sequence[str]) -> None:
    reading.stretch = _word("stretch", "mode", STRETCHES, arguments)


def _setfill(reading: _Reading, arguments: Sequence[str]) -> None:
    _at_most(1, "setfill", arguments)
    colour = _argument("setfill", "color", arguments).lower()
    if _COLOUR.fullmatch(colour) is None:
        raise OperationError(f'Invalid color "{colour[:50]}" while parsing "setfill".')
    reading.fill = "".join(digit * 2 for digit in colour) if len(colour) == 3 else colour


def _format(reading: _Reading, arguments: Sequence[str]) -> None:
    reading.chain = replace(reading.chain, format=_word("format", "format_name", FORMATS, arguments))


def _quality(reading: _Reading, arguments: Sequence[str]) -> None:
    reading.chain = replace(reading.chain, quality=_word("quality", "quality_name", QUALITIES, arguments))


def _autorotate(reading: _Reading, arguments: Sequence[str]) -> None:
    reading.chain = replace(reading.chain, autorotate=_word("autorotate", "flag", {"yes": True, "no": False}, arguments))


_READERS: Final[dict[str, Callable[[_Reading, Sequence[str]], None]]] = {
    "preview": _preview,
    "resize": _resize,
    "scale_crop": _scale_crop,
    "crop": _crop,
    "stretch": _stretch,
    "setfill": _setfill,
    "format": _format,
    "quality": _quality,
    "autorotate": _autorotate,
}


# ---------------------------------------------------------------- arguments


def _append(reading: _Reading, step: Preview | Resize | ScaleCrop | Crop) -> None:
    reading.chain = replace(reading.chain, steps=(*reading.chain.steps, step))


def _used_fill(reading: _Reading) -> str | None:
    """The fill colour where it shows: chains that differ only in what does not are equal."""
    return reading.fill if reading.stretch == "fill" else None


def _at_most(count: int, operation: str, arguments: Sequence[str]) -> None:
    if len(arguments) > count:
        raise OperationError(f'Too many arguments while parsing "{operation}".')


def _argument(operation: str, name: str, arguments: Sequence[str]) -> str:
    if not arguments:
        raise OperationError(f'Mandatory argument "{name}" not found while parsing "{operation}".')
    return arguments[0]


def _word(operation: str, name: str, known: dict[str, _Word], arguments: Sequence[str]) -> _Word:
    _at_most(1, operation, arguments)
    word = _argument(operation, name, arguments)
    if word not in known:
        raise OperationError(f'Invalid value "{word[:50]}" of "{name}" while parsing "{operation}".')
    return known[word]


def _edges(operation: str, text: str) -> tuple[int | None, int | None]:
    match = _EDGES.fullmatch(text)
    if match is None:
        raise _bad_dimensions(operation, text)
    width, height = (_in_range(operation, int(digits)) if digits else None for digits in match.groups())
    return width, height


def _two_edges(operation: str, text: str) -> tuple[int, int]:
    width, height = _edges(operation, text)
    if width is None or height is None:
        raise _bad_dimensions(operation, text)
    return width, height


def _length(operation: str, digits: str, unit: str) -> Length:
    value = int(digits)
    if not unit:
        return Length(_in_range(operation, value))
    if not 1 <= value <= 100:
        raise OperationError(f'Percentages must be from 1 to 100 while parsing "{operation}".')
    return Length(value, percent=True)


def _offset(operation: str, text: str) -> Offset:
    if text == "center":
        return CENTER
    match = _OFFSETS.fullmatch(text)
    if match is None:
        raise OperationError(f'Invalid alignment "{text[:50]}" while parsing "{operation}".')
    x, y = Length(int(match[1]), bool(match[2])), Length(int(match[3]), bool(match[4]))
    if any(length.percent and length.value > 100 for length in (x, y)):
        raise OperationError(f'Percentages must be from 0 to 100 while parsing "{operation}".')
    return Offset(*(length if length.value else Length(0) for length in (x, y)))


def _in_range(operation: str, pixels: int) -> int:
    if not 1 <= pixels <= MAX_EDGE:
        raise OperationError(f'Dimensions must be from 1 to {MAX_EDGE} pixels while parsing "{operation}".')
    return pixels


def _bad_dimensions(operation: str, text: str) -> OperationError:
    return OperationError(f'Invalid dimensions "{text[:50]}" while parsing "{operation}".')

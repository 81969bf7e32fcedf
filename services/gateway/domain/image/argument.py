"""The grammar of the arguments of image operations, and the errors that say what is wrong with one."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from services.gateway.domain.image.value import OFFSETS, ZERO, Edges, Length, Lengths, Offset, Radii, Ratio

MAX_EDGE: Final = 5000
"""Pixels of the longest edge that may be asked for."""

REQUIRED: Final = object()
"""The default of an argument that has none."""

_EDGES = re.compile(r"([0-9]{1,6})x([0-9]{1,6})")
_ONE_OR_TWO_EDGES = re.compile(r"([0-9]{1,6})?x([0-9]{1,6})|([0-9]{1,6})x")
_LENGTH = r"[0-9]{1,6}(?:(?:\.[0-9]{1,4})?[p%])?"
_LENGTHS = re.compile(rf"({_LENGTH})x({_LENGTH})")
_POINT = re.compile(rf"({_LENGTH}),({_LENGTH})")
_OFFSET = re.compile(rf"(-?{_LENGTH}),(-?{_LENGTH})|{'|'.join(OFFSETS)}")
_RATIO = re.compile(r"([0-9]{1,6}):([0-9]{1,6})")
_RADII = re.compile(rf"{_LENGTH}(?:,{_LENGTH}){{0,3}}")
_COLOUR = re.compile(r"(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6}|[0-9a-fA-F]{8})")
_INTEGER = re.compile(r"-?[0-9]{1,9}")


class OperationError(Exception):
    """An operation that there is not, or not with these arguments."""

    code = "operation_invalid"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ArgumentError(ValueError):
    """An argument that is out of its limits; its text begins a sentence that ends with the operation."""


@dataclass(frozen=True)
class Argument:
    name: str
    """As the vendor's documentation calls it."""
    pattern: re.Pattern[str]
    """What it looks like. An optional argument that a word does not look like is left out."""
    convert: Callable[[re.Match[str]], Any]
    """From what matched to the value. Raises ArgumentError."""
    invalid: str
    """What is said of a word that it does not look like; `{}` is the word."""
    default: Any = REQUIRED
    to_text: Callable[[Any], str] = str
    """From the value to its canonical spelling."""

    def read(self, word: str) -> Any:
        """The value. Raises ArgumentError."""
        match = self.pattern.fullmatch(word)
        if match is None:
            raise ArgumentError(self.invalid.format(word[:50]))
        return self.convert(match)


def count_recognised(arguments: Sequence[Argument], words: Sequence[str]) -> int:
    """How many of `words`, from the first one on, look like these arguments."""
    count = 0
    for argument in arguments:
        if count < len(words) and argument.pattern.fullmatch(words[count]):
            count += 1
        elif argument.default is REQUIRED:
            break
    return count


def read_arguments(operation: str, arguments: Sequence[Argument], words: Sequence[str]) -> tuple[Any, ...]:
    """The value of each of `arguments`, with defaults for those that are left out. Raises OperationError."""
    rest = list(words)
    values = []
    unread: Argument | None = None
    for argument in arguments:
        is_there = bool(rest) and (argument.default is REQUIRED or argument.pattern.fullmatch(rest[0]) is not None)
        unread = None if is_there else argument
        if is_there:
            values.append(_read(operation, argument, rest.pop(0)))
        elif argument.default is REQUIRED:
            raise OperationError(f'Mandatory argument "{argument.name}" not found while parsing "{operation}".')
        else:
            values.append(argument.default)
    if rest and unread is not None:
        _read(operation, unread, rest[0])
    if rest:
        raise OperationError(f'Too many arguments while parsing "{operation}".')
    return tuple(values)


def _read(operation: str, argument: Argument, word: str) -> Any:
    try:
        return argument.read(word)
    except ArgumentError as error:
        raise OperationError(f'{error} while parsing "{operation}".') from None


# ---------------------------------------------------------------- kinds of arguments


def right_angle() -> Argument:
    """From 0 to 270 degrees, whatever multiple of 90 is given."""

    def convert(match: re.Match[str]) -> int:
        if int(match[0]) % 90:
            raise ArgumentError("The angle must be a multiple of 90")
        return int(match[0]) % 360

    return Argument("angle", _INTEGER, convert, 'Invalid angle "{}"')


def integer(name: str, low: int, high: int, *, default: Any = REQUIRED) -> Argument:
    def convert(match: re.Match[str]) -> int:
        value = int(match[0])
        if not low <= value <= high:
            raise ArgumentError(f'The value of "{name}" must be from {low} to {high}')
        return value

    return Argument(name, _INTEGER, convert, f'Invalid value "{{}}" of "{name}"', default)


def choice(name: str, words: Mapping[str, Any], *, default: Any = REQUIRED) -> Argument:
    """One of `words`, each with its value."""
    pattern = re.compile("|".join(re.escape(word) for word in words))
    texts = {value: word for word, value in reversed(list(words.items()))}
    invalid = f'Invalid value "{{}}" of "{name}"'
    return Argument(name, pattern, lambda match: words[match[0]], invalid, default, texts.__getitem__)


def any_word(name: str, *, default: Any = REQUIRED) -> Argument:
    return Argument(name, re.compile(".+", re.DOTALL), lambda match: match[0], f'Invalid value "{{}}" of "{name}"', default)


def unused(argument: Argument) -> Argument:
    """May be there and has to be right, but nothing depends on it: its value is None."""

    def convert(match: re.Match[str]) -> None:
        argument.convert(match)

    return replace(argument, convert=convert, default=None)


def edges(name: str = "two_dimensions", *, default: Any = REQUIRED) -> Argument:
    return Argument(name, _EDGES, lambda match: Edges(_edge(match[1]), _edge(match[2])), 'Invalid dimensions "{}"', default)


def one_or_two_edges() -> Argument:
    def convert(match: re.Match[str]) -> Edges:
        width = match[1] or match[3]
        return Edges(_edge(width) if width else None, _edge(match[2]) if match[2] else None)

    return Argument("one_or_two_dimensions", _ONE_OR_TWO_EDGES, convert, 'Invalid dimensions "{}"')


def lengths(*, default: Any = REQUIRED) -> Argument:
    def convert(match: re.Match[str]) -> Lengths:
        width, height = _length(match[1]), _length(match[2])
        for length in (width, height):
            _check_percentage(length, 1)
            if not length.percent:
                _edge(str(length))
        return Lengths(width, height)

    return Argument("two_dimensions", _LENGTHS, convert, 'Invalid dimensions "{}"', default)


def point() -> Argument:
    """A place in the image: a percentage is of its edges, not of the room that is left."""

    def convert(match: re.Match[str]) -> Offset:
        return Offset(_inside(match[1]), _inside(match[2]))

    return Argument("two_coords", _POINT, convert, 'Invalid coordinates "{}"')


def alignment(default: Offset) -> Argument:
    def convert(match: re.Match[str]) -> Offset:
        return OFFSETS[match[0]] if match[1] is None else Offset(_inside(match[1]), _inside(match[2]))

    return Argument("alignment", _OFFSET, convert, 'Invalid alignment "{}"', default)


def ratio(*, default: Any = REQUIRED) -> Argument:
    def convert(match: re.Match[str]) -> Ratio:
        width, height = int(match[1]), int(match[2])
        if width == 0 or height == 0:
            raise ArgumentError("The numbers of a ratio must be greater than zero")
        divisor = math.gcd(width, height)
        return Ratio(width // divisor, height // divisor)

    return Argument("ratio", _RATIO, convert, 'Invalid ratio "{}"', default)


def radii(name: str, *, default: Any = REQUIRED) -> Argument:
    def convert(match: re.Match[str]) -> Radii:
        given = [_inside(word) for word in match[0].split(",")]
        upper_left = given[0]
        upper_right = given[1] if len(given) > 1 else upper_left
        lower_right = given[2] if len(given) > 2 else upper_left
        lower_left = given[3] if len(given) > 3 else upper_right
        return Radii((upper_left, upper_right, lower_right, lower_left))

    return Argument(name, _RADII, convert, 'Invalid radii "{}"', default)


def colour() -> Argument:
    def convert(match: re.Match[str]) -> str:
        digits = match[0].lower()
        return "".join(digit * 2 for digit in digits) if len(digits) == 3 else digits

    return Argument("color", _COLOUR, convert, 'Invalid color "{}"')


def length(name: str, *, default: Any = REQUIRED) -> Argument:
    return Argument(name, re.compile(_LENGTH), lambda match: _inside(match[0]), f'Invalid value "{{}}" of "{name}"', default)


def _edge(digits: str) -> int:
    pixels = int(digits)
    if not 1 <= pixels <= MAX_EDGE:
        raise ArgumentError(f"Dimensions must be from 1 to {MAX_EDGE} pixels")
    return pixels


def _inside(word: str) -> Length:
    """A length that may be nothing."""
    found = _length(word)
    _check_percentage(found, 0)
    return found if found.value else ZERO


def _length(word: str) -> Length:
    return Length(float(word[:-1]), percent=True) if word[-1] in "p%" else Length(int(word))


def _check_percentage(found: Length, low: int) -> None:
    if found.percent and not low <= found.value <= 100:
        raise ArgumentError(f"Percentages must be from {low} to 100")

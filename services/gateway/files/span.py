"""Which bytes a `Range` header asks for (RFC 9110 §14)."""

import re
from dataclasses import dataclass

_ONE_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.IGNORECASE)


class UnsatisfiableRangeError(Exception):
    """None of the bytes asked for exist."""


@dataclass(frozen=True)
class Span:
    """`length` bytes from `start`, inside a file of `total` bytes."""

    start: int
    length: int
    total: int

    @property
    def content_range(self) -> str:
        return f"bytes {self.start}-{self.start + self.length - 1}/{self.total}"


def parse_range(header: str | None, total: int) -> Span | None:
    """The one range asked for, cut to the file; None where all of the file is to be sent.

    Another unit, a malformed header and several ranges at once are ignored, as the RFC allows.
    Raises UnsatisfiableRangeError.
    """
    match = _ONE_RANGE.fullmatch(header) if header else None
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        return _suffix(int(match[2]), total)
    first = int(match[1])
    last = int(match[2]) if match[2] else total - 1
    if match[2] and last < first:
        return None
    if first >= total:
        raise UnsatisfiableRangeError
    return Span(first, min(last, total - 1) - first + 1, total)


def _suffix(length: int, total: int) -> Span | None:
    if length == 0:
        raise UnsatisfiableRangeError
    if total == 0:
        return None
    length = min(length, total)
    return Span(total - length, length, total)

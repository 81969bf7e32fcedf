"""Where the parts of a multipart body begin and end: a state machine over buffers, without I/O and without copies.

Source: RFC 2046 section 5.1.1. Stricter than that in one point: a line that begins with the boundary and goes on with
anything but white space is an error, not a boundary.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from libs.web.form_error import IncompleteFormError, MalformedFormError

MAX_HEAD_BYTES = 16 * 1024
"""Of one part's head; also of what may stand before the first boundary."""
MAX_PADDING_BYTES = 256
"""White space behind a boundary."""
_BOUNDARY = re.compile(r"[!-~ ]{0,69}[!-~]")

Buffer = bytes | bytearray


@dataclass(frozen=True, slots=True)
class PartBegan:
    head: bytes
    """The part's header lines, without the empty line behind them."""


@dataclass(frozen=True, slots=True)
class PartData:
    """`buffer[start:stop]` belongs to the part's content."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class PartEnded:
    pass


Event = PartBegan | PartData | PartEnded
_Step = Callable[[Buffer, int], Sequence[Event] | None]


class MultipartParser:
    """Feed it the body piece by piece; each piece begins with what the last one left unconsumed.

    >>> held = b""
    >>> for chunk in chunks:
    ...     held += chunk
    ...     for event in parser.feed(held, len(held)): ...
    ...     held = held[parser.consumed :]
    >>> parser.finish()
    """

    def __init__(self, boundary: str) -> None:
        """Raises MalformedFormError when no body can have this boundary."""
        if not _BOUNDARY.fullmatch(boundary):
            raise MalformedFormError("The boundary in the Content-Type is missing or wrong.")
        self._delimiter = b"\r\n--" + boundary.encode()
        self._step: _Step = self._first_line
        self.consumed = 0
        """How many bytes of the last piece need not be given again. The others are few: less than a head or a boundary."""

    def feed(self, buffer: Buffer, stop: int) -> Iterator[Event]:
        """The events in `buffer[:stop]`; positions are those of this buffer. Raises MalformedFormError."""
        self.consumed = 0
        while (events := self._step(buffer, stop)) is not None:
            yield from events

    def finish(self) -> None:
        """The body is over. Raises IncompleteFormError when its final boundary is missing."""
        if self._step != self._epilogue:
            raise IncompleteFormError("The body ends before its final boundary.")

    # Each step moves `consumed` on; None asks for more bytes.

    def _first_line(self, buffer: Buffer, stop: int) -> Sequence[Event] | None:
        line = self._delimiter[2:]
        if stop < len(line):
            return None
        if buffer.startswith(line):
            self.consumed = len(line)
            self._step = self._behind_boundary
        else:
            self._step = self._preamble
        return ()

    def _preamble(self, buffer: Buffer, stop: int) -> Sequence[Event] | None:
        end = buffer.find(self._delimiter, 0, stop)
        if (stop if end < 0 else end) > MAX_HEAD_BYTES:
            raise MalformedFormError("The body does not begin with the boundary of its Content-Type.")
        if end < 0:
            return None
        self.consumed = end + len(self._delimiter)
        self._step = self._behind_boundary
        return ()

    def _behind_boundary(self, buffer: Buffer, stop: int) -> Sequence[Event] | None:
        start = self.consumed
        if stop - start < 2:
            return None
        if buffer[start : start + 2] == b"--":
            self._step = self._epilogue
            return ()
        end = buffer.find(b"\r\n", start, min(stop, start + MAX_PADDING_BYTES))
        padding = buffer[start : end if end >= 0 else stop]
        if len(padding) > MAX_PADDING_BYTES or padding.strip(b" \t") not in (b"", b"\r"):
            raise MalformedFormError("A boundary is followed by something else.")
        if end < 0:
            return None
        self.consumed = end
        self._step = self._head
        return ()

    def _head(self, buffer: Buffer, stop: int) -> Sequence[Event] | None:
        # From the boundary's own line end on, so that an empty head is found too.
        start = self.consumed
        end = buffer.find(b"\r\n\r\n", start, stop)
        if (stop if end < 0 else end) - start > MAX_HEAD_BYTES:
            raise MalformedFormError("The head of a part is too long.")
        if end < 0:
            return None
        self.consumed = end + 4
        self._step = self._content
        return (PartBegan(bytes(buffer[start + 2 : end])),)

    def _content(self, buffer: Buffer, stop: int) -> Sequence[Event] | None:
        start = self.consumed
        end = buffer.find(self._delimiter, start, stop)
        if end >= 0:
            self.consumed = end + len(self._delimiter)
            self._step = self._behind_boundary
            return (PartData(start, end), PartEnded()) if end > start else (PartEnded(),)
        end = self._possible_boundary(buffer, start, stop)
        if end == start:
            return None
        self.consumed = end
        return (PartData(start, end),)

    def _possible_boundary(self, buffer: Buffer, start: int, stop: int) -> int:
        """From where on the rest may be the beginning of a boundary; `stop` when it is none."""
        at = buffer.find(b"\r", max(start, stop - len(self._delimiter) + 1), stop)
        while at >= 0 and not self._delimiter.startswith(buffer[at:stop]):
            at = buffer.find(b"\r", at + 1, stop)
        return stop if at < 0 else at

    def _epilogue(self, buffer: Buffer, stop: int) -> Sequence[Event] | None:
        self.consumed = stop
        return None

"""Heads of answers as servers send them, which are larger and less tidy than the HTTP client's parser takes.

The parser limits each line and the number of lines, and refuses every repeated Content-Length. Here the whole head is limited,
whatever its lines are like, and a length that is only repeated is one length (RFC 9110 §8.6). Two different lengths stay an
error: whoever believes the other one sees another answer (request smuggling).
"""

import asyncio
import re
from typing import Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler

HEAD_BYTES: Final = 64 * 1024
"""Status line and headers, with their line ends."""
PARSER_LINE_BYTES: Final = 8190
"""What the parser takes of a line by itself."""
TRAILERS: Final = 128
"""Lines that may follow a chunked body; the parser counts them with those of the head."""

BROKEN_CONNECTION: Final = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)
FIRST_FINAL_STATUS: Final = 200
SWITCHING_PROTOCOLS: Final = 101

_END = re.compile(rb"\n\r?\n")
_INTERIM = re.compile(rb"HTTP/1\.[0-9] 1(?!01)[0-9][0-9]")
_LENGTH: Final[re.Pattern[bytes]] = re.compile(rb"^content-length[ \t]*:([^\r\n]*)\r?\n", re.IGNORECASE | re.MULTILINE)


class ResponseHeadError(aiohttp.ClientError):
    """The head of an answer cannot be accepted; the message says why."""


class CutAnswerError(aiohttp.ServerDisconnectedError):
    """The connection ended within the head of an answer: the request has arrived."""


class HeadReader(ResponseHandler):
    """A connection: collects each head, tidies it up, and gives it to the parser as a whole.

    It may serve one request after the other, as long as each has exactly one answer: a server that says more than it was asked
    for is not heard, and its connection ends.
    """

    _params: dict[str, Any]
    _head = b""
    _has_begun = False
    """Something of the answer has come."""
    _is_in_body = False
    _is_answered = False
    """The final head is with whoever sent the request."""

    def __init__(self, loop: asyncio.AbstractEventLoop, lifetime_seconds: float = 0) -> None:
        super().__init__(loop)
        self._ends_at = loop.time() + lifetime_seconds

    @property
    def should_close(self) -> bool:
        """After an answer: the connection serves no other request."""
        return self._loop.time() >= self._ends_at or super().should_close

    def set_response_params(self, **params: Any) -> None:
        self._params, self._head = params, b""
        self._has_begun = self._is_in_body = self._is_answered = False
        super().set_response_params(**params)

    def feed_data(self, data: Any, size: int = 0) -> None:
        if self._is_answered:
            self._end()
        else:
            self._is_answered = data[0].code >= FIRST_FINAL_STATUS or data[0].code == SWITCHING_PROTOCOLS
            super().feed_data(data, size)

    def set_exception(self, exc: Any, *cause: Any) -> None:
        if self._has_begun and not self._is_answered and isinstance(exc, BROKEN_CONNECTION):
            exc = CutAnswerError()
        super().set_exception(exc, *cause)

    def data_received(self, data: bytes) -> None:
        if data and self._is_answered and (self._payload is None or self._payload.is_eof()):
            self._end()
            return
        self._has_begun = True
        if self._is_in_body or self._parser is None:
            super().data_received(data)
            return
        self._head += data
        try:
            self._pass_on_heads(searched=len(self._head) - len(data) - 2)
        except ResponseHeadError as error:
            if self.transport is not None:
                self.transport.close()
            self.set_exception(error)

    def _end(self) -> None:
        """Ends a connection on which something came that no request has asked for."""
        self.force_close()
        if self.transport is not None:
            self.transport.close()

    def _pass_on_heads(self, searched: int) -> None:
        """Those that are complete: interim ones, and the final one with what has come of its body."""
        while not self._is_in_body and self.exception() is None:
            if not b"HTTP/".startswith(self._head.lstrip(b"\r\n")[:5]):
                raise ResponseHeadError("the answer is not HTTP")
            end = _END.search(self._head, max(0, searched))
            if (end.end() if end else len(self._head)) > HEAD_BYTES:
                raise ResponseHeadError(f"the head of the answer has more than {HEAD_BYTES // 1024} KiB")
            if end is None:
                return
            head, rest = tidy_head(self._head[: end.end()]), self._head[end.end() :]
            self._is_in_body = _INTERIM.match(head) is None
            self._fit_parser(head)
            super().data_received(head + rest if self._is_in_body else head)
            self._head, searched = b"" if self._is_in_body else rest, 0

    def _fit_parser(self, head: bytes) -> None:
        if len(head) <= PARSER_LINE_BYTES and head.count(b"\n") <= TRAILERS // 2:
            return
        size = max(len(head), PARSER_LINE_BYTES)
        limits = {"max_line_size": size, "max_field_size": size, "max_headers": head.count(b"\n") + TRAILERS}
        super().set_response_params(**{**self._params, **limits})


def tidy_head(head: bytes) -> bytes:
    """With one Content-Length where all of them say the same. Raises ResponseHeadError where they do not."""
    lengths: list[bytes] = [length.strip() for header in _LENGTH.findall(head) for length in header.split(b",")]
    if len(lengths) < 2:
        return head
    if len(set(lengths)) > 1:
        raise ResponseHeadError("the answer has two different Content-Length headers")
    status, _, headers = _LENGTH.sub(b"", head).partition(b"\n")
    return status + b"\nContent-Length: " + lengths[0] + b"\r\n" + headers

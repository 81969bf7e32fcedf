"""Heads of answers as servers send them, which are larger and less tidy than the HTTP client's parser takes.

The parser limits each line and the number of lines, and refuses every repeated Content-Length. Here the whole head is limited,
whatever its lines are like, and a length that is only repeated is one length (RFC 9110 §8.6). Two different lengths stay an
error: whoever believes the other one sees another answer (request smuggling).
"""

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

_END = re.compile(rb"\n\r?\n")
_INTERIM = re.compile(rb"HTTP/1\.[0-9] 1(?!01)[0-9][0-9]")
_LENGTH: Final[re.Pattern[bytes]] = re.compile(rb"^content-length[ \t]*:([^\r\n]*)\r?\n", re.IGNORECASE | re.MULTILINE)


class ResponseHeadError(aiohttp.ClientError):
    """The head of an answer cannot be accepted; the message says why."""


class HeadReader(ResponseHandler):
    """A connection for one request: collects each head, tidies it up, and gives it to the parser as a whole."""

    _params: dict[str, Any]
    _head = b""
    _is_in_body = False

    def set_response_params(self, **params: Any) -> None:
        self._params = params
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
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

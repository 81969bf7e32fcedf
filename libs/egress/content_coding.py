"""Content that its sender encoded although nobody asked for that, decoded while it comes: RFC 9110 §8.4.

Memory is constant, however much a little content decodes to: input goes into a decoder in small pieces, output comes out in
small pieces, and nothing is decoded before somebody reads it.
"""

import asyncio
import sys
import zlib
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import Final, Literal, Protocol

import brotli

if sys.version_info >= (3, 14):
    from compression.zstd import DecompressionParameter, ZstdDecompressor, ZstdError
else:
    from backports.zstd import DecompressionParameter, ZstdDecompressor, ZstdError

INPUT_BYTES: Final = 2**14
"""A step's input, which bounds the time that it takes."""
PIECE_BYTES: Final = 2**16
"""A step's output."""
MAX_CODINGS: Final = 4
ZSTD_WINDOW_LOG: Final = 23
"""8 MiB, the largest window that a sender may use: RFC 9659."""
NO_CODINGS: Final = frozenset({"", "identity", "none"})
GZIP_MAGIC: Final = 0x1F
ZLIB_METHOD: Final = 8
"""The lower half of the first byte, where deflate has the frame that RFC 9110 wants."""


class UnknownCodingError(Exception):
    """The content is encoded in a way that nobody here decodes."""


class UndecodableContentError(Exception):
    """The content is not encoded as its sender says, or it was cut off."""


class _Decoder(Protocol):
    @property
    def is_complete(self) -> bool:
        """The content may end here."""

    def decode(self, data: bytes) -> Iterator[bytes]:
        """What `data` adds, in pieces. Raises the library's error."""


class _Zlib:
    """gzip, of several members perhaps (RFC 1952), and deflate: RFC 1950, or RFC 1951 alone as some senders understand it.

    What follows the end and is no further member is ignored, as browsers do.
    """

    def __init__(self, kind: Literal["gzip", "deflate"]) -> None:
        self._kind = kind
        self._stream: zlib._Decompress | None = None
        self._is_over = False

    @property
    def is_complete(self) -> bool:
        return self._stream is not None and self._stream.eof

    def decode(self, data: bytes) -> Iterator[bytes]:
        while not self._is_over:
            if self._stream is None or (self._stream.eof and data):
                self._begin(data)
                continue
            piece = self._stream.decompress(data, PIECE_BYTES)
            data = self._stream.unused_data or self._stream.unconsumed_tail
            if piece:
                yield piece
            if not data and (self._stream.eof or len(piece) < PIECE_BYTES):
                return

    def _begin(self, data: bytes) -> None:
        if self._stream is not None and (self._kind == "deflate" or data[0] != GZIP_MAGIC):
            self._is_over = True
        elif self._kind == "gzip":
            self._stream = zlib.decompressobj(zlib.MAX_WBITS + 16)
        else:
            is_framed = data[0] & 0xF == ZLIB_METHOD
            self._stream = zlib.decompressobj(zlib.MAX_WBITS if is_framed else -zlib.MAX_WBITS)


class _Brotli:
    """RFC 7932; its window has at most 16 MiB."""

    def __init__(self) -> None:
        self._stream = brotli.Decompressor()

    @property
    def is_complete(self) -> bool:
        return bool(self._stream.is_finished())

    def decode(self, data: bytes) -> Iterator[bytes]:
        while not self._stream.is_finished():
            piece = self._stream.process(data, output_buffer_limit=PIECE_BYTES)
            data = b""
            if piece:
                yield piece
            if len(piece) < PIECE_BYTES and self._stream.can_accept_more_data():
                return


class _Zstd:
    """RFC 8878, of several frames perhaps."""

    def __init__(self) -> None:
        self._stream = self._new_stream()
        self.is_complete = False

    def decode(self, data: bytes) -> Iterator[bytes]:
        while True:
            if self._stream.eof:
                self._stream = self._new_stream()
            piece = self._stream.decompress(data, PIECE_BYTES)
            self.is_complete = self._stream.eof
            data = self._stream.unused_data if self._stream.eof else b""
            if piece:
                yield piece
            if not data and (self._stream.eof or self._stream.needs_input):
                return

    def _new_stream(self) -> ZstdDecompressor:
        return ZstdDecompressor(options={DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG})


_DECODERS: Final[Mapping[str, Callable[[], _Decoder]]] = {
    "gzip": lambda: _Zlib("gzip"),
    "x-gzip": lambda: _Zlib("gzip"),
    "deflate": lambda: _Zlib("deflate"),
    "br": _Brotli,
    "zstd": _Zstd,
}


def content_codings(headers: Iterable[str]) -> Sequence[str]:
    """The codings that the `Content-Encoding` headers name, in the order in which they were applied.

    Raises UnknownCodingError.
    """
    named = [name.strip(" \t").lower() for header in headers for name in header.split(",")]
    codings = [name for name in named if name not in NO_CODINGS]
    if unknown := [name for name in codings if name not in _DECODERS]:
        said = unknown[0].encode("ascii", "replace").decode()[:40]
        raise UnknownCodingError(f"the content is encoded as `{said}`: only gzip, deflate, br and zstd can be decoded")
    if len(codings) > MAX_CODINGS:
        raise UnknownCodingError(f"the content is encoded {len(codings)} times: at most {MAX_CODINGS} can be decoded")
    return codings


def decode_content(chunks: AsyncGenerator[bytes, None], codings: Sequence[str]) -> AsyncGenerator[bytes, None]:
    """What was encoded, in pieces of at most about `PIECE_BYTES`. Reading it raises UndecodableContentError."""
    for coding in reversed(codings):
        chunks = _decoded(chunks, coding)
    return chunks


async def _decoded(chunks: AsyncGenerator[bytes, None], coding: str) -> AsyncGenerator[bytes, None]:
    decoder, is_empty = _DECODERS[coding](), True
    async with aclosing(chunks):
        async for chunk in chunks:
            is_empty = False
            for start in range(0, len(chunk), INPUT_BYTES):
                try:
                    for piece in decoder.decode(chunk[start : start + INPUT_BYTES]):
                        yield piece
                except (zlib.error, brotli.error, ZstdError):
                    raise UndecodableContentError(f"the content is not what {coding} makes") from None
                await asyncio.sleep(0)  # input that decodes to nothing must not hold up others
    if not is_empty and not decoder.is_complete:
        raise UndecodableContentError(f"the content ends before the end of its {coding} encoding")

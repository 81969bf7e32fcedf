"""What was encoded is decoded while it comes, in constant memory; what is no whole encoding is an error."""

import gzip
import tracemalloc
import zlib
from collections.abc import AsyncGenerator, Callable, Iterable

import brotli
import pytest
from backports import zstd

from libs.egress.content_coding import (
    PIECE_BYTES,
    ZSTD_WINDOW_LOG,
    UndecodableContentError,
    UnknownCodingError,
    content_codings,
    decode_content,
)

CONTENT = b"".join(b"line %d\n" % number for number in range(20_000))


def deflate(content: bytes) -> bytes:
    return zlib.compress(content)


def bare_deflate(content: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(content) + compressor.flush()


ENCODERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "deflate": ("deflate", deflate),
    "bare deflate": ("deflate", bare_deflate),
    "br": ("br", brotli.compress),
    "zstd": ("zstd", zstd.compress),
}
encoded = pytest.mark.parametrize(("coding", "encode"), ENCODERS.values(), ids=ENCODERS)


async def decode(chunks: Iterable[bytes], *codings: str) -> bytes:
    async def sent() -> AsyncGenerator[bytes, None]:
        for chunk in chunks:
            yield chunk

    pieces = [piece async for piece in decode_content(sent(), codings)]
    assert all(0 < len(piece) <= 2 * PIECE_BYTES for piece in pieces)
    return b"".join(pieces)


@encoded
@pytest.mark.parametrize("size", [1, 997, 2**20])
async def test_content_is_decoded_however_it_is_cut(coding: str, encode: Callable[[bytes], bytes], size: int) -> None:
    sent = encode(CONTENT)
    assert await decode([sent[start : start + size] for start in range(0, len(sent), size)], coding) == CONTENT


@encoded
async def test_content_without_its_end_is_an_error(coding: str, encode: Callable[[bytes], bytes]) -> None:
    sent = encode(CONTENT)
    for cut in (1, len(sent) // 2, len(sent) - 1):
        with pytest.raises(UndecodableContentError, match="ends before the end"):
            await decode([sent[:cut]], coding)


@encoded
async def test_content_that_is_not_encoded_so_is_an_error(coding: str, encode: Callable[[bytes], bytes]) -> None:
    with pytest.raises(UndecodableContentError):
        await decode([b"\xff\xffplain text"], coding)


@encoded
async def test_empty_content_is_empty(coding: str, encode: Callable[[bytes], bytes]) -> None:
    assert await decode([encode(b"")], coding) == b""
    assert await decode([], coding) == b""


@pytest.mark.parametrize(("coding", "encode"), [("gzip", gzip.compress), ("zstd", zstd.compress)])
@pytest.mark.parametrize("size", [1, 2**20])
async def test_concatenated_members_are_one_content(coding: str, encode: Callable[[bytes], bytes], size: int) -> None:
    sent = encode(b"one, ") + encode(b"") + encode(b"two")
    assert await decode([sent[start : start + size] for start in range(0, len(sent), size)], coding) == b"one, two"


async def test_padding_after_gzip_is_not_content() -> None:
    assert await decode([gzip.compress(b"content") + bytes(100), b"\x1f\x8b"], "gzip") == b"content"


async def test_codings_are_taken_off_in_reverse_order() -> None:
    assert await decode([brotli.compress(gzip.compress(CONTENT))], "gzip", "br") == CONTENT


@encoded
async def test_bomb_is_decoded_only_as_far_as_it_is_read(coding: str, encode: Callable[[bytes], bytes]) -> None:
    sent = encode(bytes(50_000_000))

    async def bomb() -> AsyncGenerator[bytes, None]:
        for start in range(0, len(sent), 2**16):
            yield sent[start : start + 2**16]

    received = 0
    tracemalloc.start()
    try:
        async for piece in decode_content(bomb(), [coding]):
            received += len(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert received == 50_000_000
    assert peak < 2**21


async def test_zstd_frame_with_a_larger_window_than_senders_may_use_is_an_error() -> None:
    options: dict[int, int] = {zstd.CompressionParameter.window_log: ZSTD_WINDOW_LOG + 1}
    compressor = zstd.ZstdCompressor(options=options)
    with pytest.raises(UndecodableContentError):
        await decode([compressor.compress(b"content") + compressor.flush()], "zstd")


@pytest.mark.parametrize(
    ("headers", "codings"),
    [
        ([], []),
        (["identity"], []),
        ([""], []),
        (["GZIP"], ["gzip"]),
        (["gzip, br"], ["gzip", "br"]),
        (["gzip", " identity , br"], ["gzip", "br"]),
    ],
)
def test_codings_are_named_by_the_headers(headers: list[str], codings: list[str]) -> None:
    assert content_codings(headers) == codings


@pytest.mark.parametrize("header", ["compress", "gzip, rot13", "gzip;q=1", "ｇzip\udcff", ",".join(["gzip"] * 5)])
def test_coding_that_nobody_decodes_is_an_error(header: str) -> None:
    with pytest.raises(UnknownCodingError, match="can be decoded"):
        content_codings([header])

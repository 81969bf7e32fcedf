"""Any split of any body gives the same parts, on both ways that the bytes come; aiohttp's own reader sees the same ones."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from unittest.mock import Mock

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.object_store.batch import Target
from libs.object_store.port import ObjectInfo
from libs.web.form_error import IncompleteFormError, MalformedFormError
from libs.web.form_parser import FileBegan, FileData, FilePart, FormLimits, FormParser
from libs.web.form_socket import FormTaker
from libs.web.multipart import MAX_HEAD_BYTES, MAX_PADDING_BYTES, MultipartParser
from libs.web.route import HttpError

LIMITS = FormLimits(body_bytes=10**9, files=100)


@dataclass(frozen=True)
class Part:
    name: str
    filename: str | None
    content: bytes

    def encoded(self) -> bytes:
        filename = "" if self.filename is None else f'; filename="{self.filename}"'
        return f'Content-Disposition: form-data; name="{self.name}"{filename}\r\n\r\n'.encode() + self.content


def encoded(parts: Iterable[Part], boundary: str, preamble: bytes = b"", epilogue: bytes = b"") -> bytes:
    line = b"--" + boundary.encode()
    return preamble + b"".join(line + b"\r\n" + part.encoded() + b"\r\n" for part in parts) + line + b"--" + epilogue


boundaries = st.sampled_from(["b", "-", "--", "----WebKitFormBoundary7MA4YWxkTrZu0gW", "a'()+_,./:=?z", "x" * 70])
names = st.text(st.characters(codec="utf-8", exclude_characters='"\\\r\n\0%'), min_size=1, max_size=8)


@st.composite
def bodies(draw: st.DrawFn) -> tuple[str, list[Part], bytes]:
    """A boundary, parts whose contents come as near to it as they may, and the body."""
    boundary = draw(boundaries)
    delimiter = f"\r\n--{boundary}".encode()
    pieces = st.sampled_from([b"\r", b"\n", b"-", b"--", delimiter[:-1], delimiter[2:], delimiter[:3], "ü".encode(), b"ab"])

    def content(texts: bool) -> bytes:
        found = b"".join(draw(st.lists(pieces if texts else st.one_of(pieces, st.binary(max_size=40)), max_size=8)))
        while delimiter in found:
            found = found.replace(delimiter, b"")
        return b"" if texts and _not_utf8(found) else found

    named = draw(st.lists(st.tuples(names, st.one_of(st.none(), names)), max_size=5))
    parts = [Part(name, filename, content(filename is None)) for name, filename in named]
    preamble = draw(st.sampled_from([b"", b"\r\n", b"This is a multipart message.\r\n"]))
    return boundary, parts, encoded(parts, boundary, preamble, draw(st.sampled_from([b"", b"\r\n", b"\r\nbye\r\n--x"])))


def _not_utf8(value: bytes) -> bool:
    return value.decode(errors="ignore").encode() != value


def chunks(body: bytes, cuts: Sequence[int]) -> Iterator[bytes]:
    at = sorted(min(cut, len(body)) for cut in cuts)
    for start, stop in zip([0, *at], [*at, len(body)], strict=True):
        yield body[start:stop]


def read(boundary: str, pieces: Iterable[bytes]) -> list[Part]:
    """As `FormStream` feeds it: with what is held in front."""
    parser, held, files = FormParser(boundary, LIMITS), b"", list[Part]()
    for piece in pieces:
        held += piece
        for event in parser.feed(held, len(held)):
            match event:
                case FileBegan(part):
                    files.append(Part(part.field, part.filename, b""))
                case FileData(start, stop):
                    files[-1] = Part(files[-1].name, files[-1].filename, files[-1].content + held[start:stop])
        held = held[parser.consumed :]
    parser.finish()
    return [*files, *[Part(name, None, value.encode()) for name, value in parser.fields]]


class Memory:
    """A `Batch` that keeps what it is given."""

    def __init__(self) -> None:
        self.contents: list[bytes] = []
        self.ended = 0

    def begin(self) -> None:
        self.contents.append(b"")

    def write(self, buffer: bytearray, start: int, stop: int) -> None:
        self.contents[-1] += buffer[start:stop]

    def end(self) -> None:
        self.ended += 1

    def commit(self, targets: Sequence[Target]) -> list[ObjectInfo]:
        raise NotImplementedError


def read_in_place(boundary: str, pieces: Iterable[bytes]) -> list[Part]:
    """As `SocketBody` does it: one buffer, in which what is kept stands in front."""
    parser, batch, buffer, kept = FormParser(boundary, LIMITS), Memory(), bytearray(65536), 0
    taker = FormTaker(parser, batch, lambda part: Target(part.filename, "video/mp4"))
    for piece in pieces:
        buffer[kept : kept + len(piece)] = piece
        kept = taker.take(buffer, kept + len(piece))
    parser.finish()
    assert batch.ended == len(taker.parts)
    assert [target.key for target in taker.targets] == [part.filename for part in taker.parts]
    files = [Part(part.field, part.filename, content) for part, content in zip(taker.parts, batch.contents, strict=True)]
    return [*files, *[Part(name, None, value.encode()) for name, value in parser.fields]]


def files_first(parts: Iterable[Part]) -> list[Part]:
    return sorted(parts, key=lambda part: part.filename is None)


@given(bodies(), st.lists(st.integers(0, 600), max_size=12))
def test_any_split_of_any_body_gives_its_parts(made: tuple[str, list[Part], bytes], cuts: list[int]) -> None:
    boundary, parts, body = made
    assert read(boundary, chunks(body, cuts)) == files_first(parts)
    assert read_in_place(boundary, chunks(body, cuts)) == files_first(parts)


@given(bodies())
@settings(max_examples=30)
def test_a_body_that_comes_byte_by_byte_gives_its_parts(made: tuple[str, list[Part], bytes]) -> None:
    boundary, parts, body = made
    assert read(boundary, chunks(body, range(len(body)))) == files_first(parts)
    assert read_in_place(boundary, chunks(body, range(len(body)))) == files_first(parts)


async def _as_aiohttp_reads_it(boundary: str, body: bytes) -> list[Part]:
    stream = aiohttp.StreamReader(Mock(_reading_paused=False), 2**16, loop=asyncio.get_running_loop())
    stream.feed_data(body)
    stream.feed_eof()
    headers = {"Content-Type": f'multipart/form-data; boundary="{boundary}"'}
    found = []
    async for part in aiohttp.MultipartReader(headers, stream):
        assert isinstance(part, aiohttp.BodyPartReader)
        found.append(Part(part.name or "", part.filename, bytes(await part.read())))
    return found


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=3000)), min_size=1, max_size=4))
@settings(max_examples=50)
def test_another_parser_sees_the_same_parts(contents: list[tuple[bool, bytes]]) -> None:
    boundary = "----formdata-undici-0123456789"
    parts = [
        Part(f"n{number}", "a.bin", content) if binary else Part(f"n{number}", None, content.hex().encode())
        for number, (binary, content) in enumerate(contents)
    ]
    body = encoded(parts, boundary, epilogue=b"\r\n")
    theirs = asyncio.run(_as_aiohttp_reads_it(boundary, body))
    assert files_first(theirs) == read(boundary, [body]) == files_first(parts)


@given(bodies(), st.integers(0, 600))
def test_a_body_that_is_cut_off_is_incomplete(made: tuple[str, list[Part], bytes], length: int) -> None:
    boundary, parts, _body = made
    body = encoded(parts, boundary)
    with pytest.raises(IncompleteFormError):
        read(boundary, [body[: min(length, len(body) - 1)]])


@given(bodies(), st.integers(0, 600), st.binary(max_size=4), st.lists(st.integers(0, 600), max_size=4))
@settings(max_examples=300)
def test_garbage_is_read_or_refused(made: tuple[str, list[Part], bytes], at: int, junk: bytes, cuts: list[int]) -> None:
    boundary, _parts, body = made
    broken = body[:at] + junk + body[at + len(junk) :]
    outcomes = []
    for pieces in ([broken], list(chunks(broken, cuts))):
        try:
            outcomes.append(str(read(boundary, pieces)))
        except HttpError as error:
            outcomes.append(error.code)
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("boundary", ["", "a ", "x" * 71, "a\r\nb", "ü", "a\0b"])
def test_a_boundary_that_cannot_be_is_refused(boundary: str) -> None:
    with pytest.raises(MalformedFormError):
        MultipartParser(boundary)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"--bX\r\n\r\n", id="text behind a boundary"),
        pytest.param(b"--b-\r\n\r\n", id="one dash behind a boundary"),
        pytest.param(b"--b" + b" " * (MAX_PADDING_BYTES + 1), id="white space without end"),
        pytest.param(b"--b\r\n" + b"a: b\r\n" * MAX_HEAD_BYTES, id="a head without end"),
        pytest.param(b"a" * (MAX_HEAD_BYTES + 10), id="a preamble without end"),
        pytest.param(b"--other\r\n\r\n" + bytes(MAX_HEAD_BYTES), id="another boundary"),
    ],
)
@pytest.mark.parametrize("step", [1, 7, 10**6])
def test_what_is_no_multipart_is_refused_early(body: bytes, step: int) -> None:
    with pytest.raises(MalformedFormError) as refused:
        read("b", (body[at : at + step] for at in range(0, len(body), step)))
    assert not isinstance(refused.value, IncompleteFormError)


def test_white_space_behind_a_boundary_is_fine() -> None:
    body = b'--b \t\r\nContent-Disposition: form-data; name="n"\r\n\r\nv\r\n--b  \r\n' + Part("m", None, b"w").encoded()
    assert read("b", [body + b"\r\n--b--"]) == [Part("n", None, b"v"), Part("m", None, b"w")]


def test_what_is_held_between_two_pieces_is_small() -> None:
    parser = MultipartParser("b")
    body = b"--b\r\nA: b\r\n\r\n" + b"\r\n--" * 50_000
    assert len(list(parser.feed(body, len(body)))) == 2
    assert len(body) - parser.consumed < len(b"\r\n--b")


def test_the_size_of_a_file_of_two_gibibytes_is_counted() -> None:
    limits = FormLimits(body_bytes=2**40, files=1, file_bytes=2**31)
    parser = FormParser("b", limits)
    head = Part("f", "a", b"").encoded()
    begun = b"--b\r\n" + head
    [event] = parser.feed(begun, len(begun))
    assert event == FileBegan(FilePart("f", "a", None))
    mebibyte = bytes(2**20)
    for _ in range(2**11):
        for _event in parser.feed(mebibyte, len(mebibyte)):
            pass
    with pytest.raises(HttpError) as refused:
        list(parser.feed(b"!", 1))
    assert refused.value.code == "file_too_large"

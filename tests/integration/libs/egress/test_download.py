"""What a download follows, takes and refuses. Sources are on 127.0.0.2, which is opened; the canary is on 127.0.0.1."""

import asyncio
import gzip
import hashlib
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import brotli
import pytest
import pytest_asyncio
from aiohttp.abc import AbstractResolver
from aiohttp.http_parser import HttpResponseParser, HttpResponseParserPy
from backports import zstd
from yarl import URL

from libs.egress.client import EgressError, EgressNetworkError, EgressRefusedError, EgressTimeoutError, GuardedClient
from libs.egress.download import (
    Download,
    EgressDeadlineError,
    EgressRedirectsError,
    EgressStatusError,
    EgressTooLargeError,
    Limits,
    download,
)
from libs.egress.policy import Policy, parse_networks
from tests.integration.libs.egress.conftest import Canary
from tests.integration.libs.egress.test_client import Scripted
from tests.servers.source import RESET, Source, chunk, head, ok, redirect, serving
from tests.unit.libs.egress.corpus import lines

LIMITS = Limits(total_seconds=20, idle_seconds=10, max_redirects=3, max_bytes=1000)


@dataclass(frozen=True)
class Found:
    url: str
    size_bytes: int | None
    content: bytes


@pytest_asyncio.fixture
async def source() -> AsyncIterator[Source]:
    async with serving("127.0.0.2") as started:
        yield started


@asynccontextmanager
async def opened(allow: str = "127.0.0.2/32", resolver: AbstractResolver | None = None) -> AsyncIterator[GuardedClient]:
    client = GuardedClient(Policy(parse_networks(allow)), timeout_seconds=10, resolver=resolver)
    await client.open()
    try:
        yield client
    finally:
        await client.close()


async def fetched(url: str, limits: Limits = LIMITS, resolver: AbstractResolver | None = None) -> Found:
    async with opened(resolver=resolver) as client, download(client, url, limits) as found:
        return Found(found.url, found.size_bytes, await _all(found))


async def _all(found: Download) -> bytes:
    return b"".join([piece async for piece in found.chunks()])


# ---------------------------------------------------------------- addresses: U-44, U-E84


@pytest.mark.parametrize("url", lines("loopback_urls.txt"))
async def test_no_spelling_of_this_machine_is_dialled(canary: Canary, url: str) -> None:
    with pytest.raises(EgressRefusedError) as refused:
        await fetched(url.replace("PORT", str(canary.port)))
    assert refused.value.reason
    assert canary.connections == 0


@pytest.mark.parametrize("url", lines("loopback_urls.txt"))
async def test_no_redirect_to_this_machine_is_followed(canary: Canary, source: Source, url: str) -> None:
    """A spelling that is no address at all there is a path of the source's own, or cannot be read."""
    target = url.replace("PORT", str(canary.port))
    asked = source.sends("/", f"HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode())
    with pytest.raises(EgressError) as refused:
        await fetched(asked)
    assert refused.value.code in ("address_refused", "malformed_answer", "disconnected", "too_many_redirects")
    assert canary.connections == 0


@pytest.mark.parametrize("address", lines("addresses.txt"))
async def test_no_address_that_is_not_public_is_dialled(canary: Canary, source: Source, address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    asked = source.sends("/", redirect(f"http://{host}:{canary.port}/"))
    for url in (f"http://{host}:{canary.port}/", asked):
        with pytest.raises(EgressRefusedError) as refused:
            await fetched(url)
        assert refused.value.reason == "address_forbidden"
    with pytest.raises(EgressRefusedError):
        await fetched(f"http://innocent.example:{canary.port}/", resolver=Scripted([address]))
    assert canary.connections == 0


async def test_a_name_that_is_rebound_between_two_hops_is_refused(canary: Canary, source: Source) -> None:
    # Given a name that leads to an allowed address when it is asked for the first time
    resolver = Scripted(["127.0.0.2"], ["127.0.0.1"])
    source.sends("/", redirect(f"http://rebound.example:{canary.port}/"))
    # When its answer redirects to itself: neither a kept answer nor a kept connection is used
    with pytest.raises(EgressRefusedError):
        await fetched(f"http://rebound.example:{source.port}/", resolver=resolver)
    assert resolver.asked == 2
    assert canary.connections == 0


async def test_a_name_is_looked_up_once_for_each_connection(source: Source) -> None:
    """Between the look-up that is judged and the connection there is no second one that could answer otherwise."""
    resolver = Scripted(["127.0.0.2"], ["127.0.0.1"])
    source.sends("/", ok(b"content"))
    assert (await fetched(f"http://rebound.example:{source.port}/", resolver=resolver)).content == b"content"
    assert resolver.asked == 1


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("file:///etc/passwd", "scheme_invalid"),
        ("ftp://example.com/", "scheme_invalid"),
        ("gopher://127.0.0.1/", "scheme_invalid"),
        ("http://user:password@example.com/", "userinfo"),
        ("http://8.8.8.8:25/", "port_forbidden"),
        ("http://169.254.169.254/latest/meta-data/", "address_forbidden"),
        ("//10.0.0.1/", "address_forbidden"),
    ],
)
async def test_a_redirect_is_judged_like_the_first_address(source: Source, location: str, reason: str) -> None:
    with pytest.raises(EgressRefusedError) as refused:
        await fetched(source.sends("/", redirect(location)))
    assert refused.value.reason == reason


# ---------------------------------------------------------------- redirects: U-E87


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_redirects_are_followed_absolute_or_relative(source: Source, status: str) -> None:
    source.sends("/a/b?c=d", redirect("../e%20f?g#h", status))
    source.sends("/e%20f?g", redirect(source.url("/end"), status))
    source.sends("/end", ok(b"content"))
    found = await fetched(source.url("/a/b?c=d"))
    assert (found.url, found.content) == (source.url("/end"), b"content")


SPELLED = "/a%2Fb%28c%29%7E//d+e%20f?X-Signature=%2Fq%3D%3d&g=h'i&j"


async def test_an_address_is_asked_for_as_it_is_spelled(source: Source) -> None:
    for target in (SPELLED, "/?", "//", "/?a=[]{}|^`\\"):
        assert (await fetched(source.sends(target, ok(b"content")))).url == source.url(target)
    pasted, sent = source.url("/my file.csv"), source.sends("/my%20file.csv", ok(b"content"))
    assert await fetched(f"  {pasted}\n") == Found(sent, 7, b"content")


async def test_a_url_that_was_signed_here_is_asked_for_exactly_so(source: Source) -> None:
    url = URL(source.sends("/a/../%2e/b?c", ok(b"content")), encoded=True)
    async with opened() as client, download(client, url, LIMITS) as found:
        assert (found.url, await _all(found)) == (str(url), b"content")


@pytest.mark.parametrize(
    ("location", "target"),
    [
        (SPELLED.encode(), SPELLED),
        (b"next%2Fone?", "/next%2Fone?"),
        ("/Käse?ü".encode(), "/K%C3%A4se?%C3%BC"),
        (b"/K\xe4se", "/K%E4se"),
        (b"/a b", "/a%20b"),
        (b"/" + b"a" * 60_000, "/" + "a" * 60_000),
    ],
    ids=["encoded", "relative", "UTF-8", "ISO-8859-1", "space", "long"],
)
async def test_a_redirect_is_followed_as_it_is_spelled(source: Source, location: bytes, target: str) -> None:
    source.sends(target, ok(b"content"))
    asked = source.sends("/", b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + location + b"\r\n\r\n")
    assert (await fetched(asked)).content == b"content"
    assert [request.path for request in source.requests] == ["/", target]


async def test_nothing_is_carried_to_the_next_hop(source: Source) -> None:
    source.sends("/", head("302 Found", f"Location: {source.url('/end')}", "Set-Cookie: a=b", "Content-Length: 0"))
    source.sends("/end", ok(b"content"))
    await fetched(source.url("/"))
    expected = {"host", "user-agent", "accept", "accept-encoding", "connection"}
    assert all(request.headers.keys() == expected for request in source.requests)


async def test_only_so_many_redirects_are_followed(source: Source) -> None:
    for hop in range(5):
        source.sends(f"/{hop}", redirect(f"/{hop + 1}"))
    with pytest.raises(EgressRedirectsError):
        await fetched(source.url("/0"))
    assert [request.path for request in source.requests] == ["/0", "/1", "/2", "/3"]


@pytest.mark.parametrize("answer", [head("302 Found", "Content-Length: 0"), redirect("http://[::1/"), redirect("\xff\xfe:")])
async def test_a_redirect_to_nowhere_is_a_malformed_answer(source: Source, answer: bytes) -> None:
    with pytest.raises(EgressError):
        await fetched(source.sends("/", answer))


# ---------------------------------------------------------------- answers: U-E32, U-E33, U-E34


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        ("404 Gone fishing", "client_error", "404 Not Found"),
        ("451 x", "client_error", "451 Unavailable For Legal Reasons"),
        ("500 x", "server_error", "500 Internal Server Error"),
        ("599 x", "server_error", "599"),
        ("206 Partial Content", "malformed_answer", "an answer that nobody asked for: 206 Partial Content"),
        ("304 Not Modified", "malformed_answer", "an answer that nobody asked for: 304 Not Modified"),
    ],
)
async def test_an_answer_without_content_says_why_in_the_standards_words(
    source: Source, status: str, code: str, message: str
) -> None:
    with pytest.raises(EgressError) as failed:
        await fetched(source.sends("/", head(status, "Content-Length: 0")))
    assert (failed.value.code, str(failed.value)) == (code, message)
    assert isinstance(failed.value, EgressStatusError) == (code != "malformed_answer")


async def test_content_of_known_length(source: Source) -> None:
    assert await fetched(source.sends("/", ok(b"content"))) == Found(source.url("/"), 7, b"content")


async def test_content_in_chunks(source: Source) -> None:
    asked = source.sends("/", head("200 OK", "Transfer-Encoding: chunked"), chunk(b"con"), chunk(b"tent"), chunk(b""))
    assert await fetched(asked) == Found(asked, None, b"content")


async def test_content_that_ends_with_the_connection(source: Source) -> None:
    assert await fetched(source.sends("/", head(), b"con", b"tent")) == Found(source.url("/"), None, b"content")


PARTIAL = "206 Partial Content"


@pytest.mark.parametrize(
    "answer",
    [
        head(PARTIAL, "Content-Range: bytes 0-6/7", "Content-Length: 7") + b"content",
        head(PARTIAL, "content-range: Bytes 0-6/7") + b"content",
        head(PARTIAL, "Content-Range: bytes 0-6/7", "Transfer-Encoding: chunked") + chunk(b"content") + chunk(b""),
    ],
    ids=["length", "no length", "chunked"],
)
async def test_a_part_that_is_the_whole_is_taken(source: Source, answer: bytes) -> None:
    assert await fetched(source.sends("/", answer)) == Found(source.url("/"), 7, b"content")


@pytest.mark.parametrize(
    "headers",
    [
        ["Content-Range: bytes 0-6/8", "Content-Length: 7"],
        ["Content-Range: bytes 1-7/8", "Content-Length: 7"],
        ["Content-Range: bytes 0-6/*", "Content-Length: 7"],
        ["Content-Range: bytes 0-7/8", "Content-Length: 7"],
        ["Content-Range: bytes 0-7/8"],
        ["Content-Range: bytes */7", "Content-Length: 7"],
        ["Content-Type: multipart/byteranges; boundary=b", "Content-Length: 7"],
    ],
)
async def test_a_part_is_not_taken_for_the_whole(source: Source, headers: list[str]) -> None:
    with pytest.raises(EgressNetworkError):
        await fetched(source.sends("/", head(PARTIAL, *headers) + b"content"))


@pytest.mark.parametrize(
    ("coding", "encode"),
    [
        ("gzip", gzip.compress),
        ("X-GZIP", gzip.compress),
        ("deflate", zlib.compress),
        ("br", brotli.compress),
        ("zstd", zstd.compress),
        ("gzip, br", lambda content: brotli.compress(gzip.compress(content))),
    ],
    ids=["gzip", "x-gzip", "deflate", "br", "zstd", "gzip, br"],
)
async def test_content_that_is_encoded_although_nobody_asked_for_that_is_decoded(
    source: Source, coding: str, encode: Callable[[bytes], bytes]
) -> None:
    found = await fetched(source.sends("/", ok(encode(b"content" * 100), f"Content-Encoding: {coding}")))
    assert found == Found(source.url("/"), None, b"content" * 100)
    assert source.requests[0].headers["accept-encoding"] == "identity"


async def test_content_that_is_said_to_be_encoded_in_no_way_is_taken(source: Source) -> None:
    asked = source.sends("/", ok(b"content", "Content-Encoding: identity"))
    assert await fetched(asked) == Found(asked, 7, b"content")


async def test_encoded_content_in_chunks_and_in_a_part_that_is_the_whole(source: Source) -> None:
    sent = gzip.compress(b"content")
    encoding, parts = "Content-Encoding: gzip", f"Content-Range: bytes 0-{len(sent) - 1}/{len(sent)}"
    chunked = source.sends("/chunked", head("200 OK", encoding, "Transfer-Encoding: chunked"), chunk(sent), chunk(b""))
    for url in (chunked, source.sends("/part", head(PARTIAL, encoding, parts) + sent)):
        assert (await fetched(url)).content == b"content"


async def test_content_is_left_as_its_source_stores_it_where_that_is_wanted(source: Source) -> None:
    sent = gzip.compress(b"content")
    asked = source.sends("/", ok(sent, "Content-Encoding: gzip"))
    async with opened() as client, download(client, asked, LIMITS, decodes=False) as found:
        assert (found.size_bytes, found.is_encoded, await _all(found)) == (len(sent), False, sent)


@pytest.mark.parametrize(
    ("path", "content_type"), [("/a", "application/x-gzip"), ("/a", "Application/GZIP; x=y"), ("/a.tar.GZ?b", "text/plain")]
)
async def test_a_gzip_file_is_not_unpacked(source: Source, path: str, content_type: str) -> None:
    sent = gzip.compress(b"content")
    asked = source.sends(path, ok(sent, "Content-Encoding: gzip", f"Content-Type: {content_type}"))
    assert await fetched(asked) == Found(asked, len(sent), sent)


async def test_encoded_content_that_is_cut_off_or_wrong_is_no_content(source: Source) -> None:
    for sent in (gzip.compress(b"content" * 100)[:-1], b"content"):
        with pytest.raises(EgressNetworkError) as failed:
            await fetched(source.sends("/", ok(sent, "Content-Encoding: gzip")))
        assert failed.value.code == "malformed_answer"


async def test_an_encoding_that_nobody_decodes_says_so(source: Source) -> None:
    with pytest.raises(EgressNetworkError, match="encoded as `compress`: only gzip, deflate, br and zstd") as failed:
        await fetched(source.sends("/", ok(b"content", "Content-Encoding: compress")))
    assert failed.value.code == "encoding_unsupported"


async def test_a_bomb_is_left_as_soon_as_it_is_too_large(source: Source) -> None:
    asked = source.sends("/", ok(gzip.compress(bytes(100_000_000)), "Content-Encoding: gzip"))
    with pytest.raises(EgressTooLargeError) as failed:
        await fetched(asked)
    assert 1000 < failed.value.size_bytes <= 2**16


async def test_encoded_content_may_be_larger_than_the_limit_where_what_it_stands_for_is_not(source: Source) -> None:
    content = bytes(range(256)) * 3 + b"x" * 232
    sent = gzip.compress(content, 0)
    assert len(sent) > LIMITS.max_bytes == len(content)
    assert (await fetched(source.sends("/", ok(sent, "Content-Encoding: gzip")))).content == content


@pytest.mark.parametrize(
    "steps",
    [
        (head("200 OK", "Content-Length: 10"), b"short"),
        (head("200 OK", "Content-Length: 10"), b"short", RESET),
        (head("200 OK", "Transfer-Encoding: chunked"), chunk(b"short")),
        (head("200 OK", "Transfer-Encoding: chunked"), b"zz\r\nwhat?"),
        (head(), b"short", RESET),
        (b"HTTP/1.1 200 OK\r\nContent-",),
        (b"",),
    ],
)
async def test_content_that_is_cut_off_is_no_content(source: Source, steps: tuple[bytes | str, ...]) -> None:
    with pytest.raises(EgressNetworkError) as failed:
        await fetched(source.sends("/", *steps))
    assert failed.value.code in ("disconnected", "malformed_answer")


async def test_bytes_beyond_the_announced_length_are_not_content(source: Source) -> None:
    """If they come with the head they are a malformed second answer."""
    with suppress(EgressNetworkError):
        assert (await fetched(source.sends("/", ok(b"content"), b" and more"))).content == b"content"


@pytest.fixture(params=[HttpResponseParser, HttpResponseParserPy], ids=["C", "Python"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The HTTP client has two parsers; which one there is depends on its build."""
    monkeypatch.setattr("aiohttp.client_proto.HttpResponseParser", request.param)


LENGTH = b"Content-Length: 7\r\n"


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(
    "lines",
    [
        b"Content-Security-Policy: " + b"x" * 60_000 + b"\r\n" + LENGTH,
        b"".join(b"Link: <https://a.example/%d>; rel=next\r\n" % number for number in range(1500)) + LENGTH,
        b"".join(b"A%d:\r\n" % number for number in range(8000)) + LENGTH,
        LENGTH * 2,
        LENGTH + b"X: y\r\ncontent-length: 7 , 7\r\n",
        b"Transfer-Encoding: chunked\r\nX: " + b"x" * 60_000 + b"\r\n\r\n7\r\ncontent\r\n0\r\nY: z\r\n",
    ],
    ids=["one long line", "many lines", "very many lines", "two lengths", "three lengths", "chunked"],
)
@pytest.mark.parametrize("interim", [b"", b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n" * 3], ids=["", "early hints"])
async def test_a_head_may_be_long_and_repeat_its_length(source: Source, lines: bytes, interim: bytes) -> None:
    asked = source.sends("/", interim + b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n", b"content" if LENGTH in lines else b"")
    assert (await fetched(asked)).content == b"content"


@pytest.mark.usefixtures("parser")
async def test_a_head_may_come_in_any_pieces(source: Source) -> None:
    answer = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX: " + b"x" * 9000 + b"\r\nContent-Length: 7\n\ncontent"
    pieces = [answer[start : start + 1] for start in range(60)] + [answer[60:9090]] + [answer[9090:]]
    assert (await fetched(source.sends("/", *pieces))).content == b"content"


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (b"X-Large: " + b"x" * 2**16 + b"\r\n", "more than 64 KiB"),
        (b"x" * 2**16 + b": 1\r\n", "more than 64 KiB"),
        (b"X: y\r\n" * 11_000, "more than 64 KiB"),
        (b"Content-Length: 7\r\nContent-Length: 8\r\n", "two different Content-Length headers"),
        (b"Content-Length: -1\r\n", "not HTTP"),
        (b"Content-Length: x\r\n", "not HTTP"),
    ],
    ids=["long value", "long name", "many lines", "two lengths", "negative length", "no length"],
)
async def test_a_head_that_is_too_large_or_wrong_is_a_malformed_answer(source: Source, lines: bytes, message: str) -> None:
    with pytest.raises(EgressNetworkError, match=message) as failed:
        await fetched(source.sends("/", b"HTTP/1.1 200 OK\r\n" + lines + b"\r\ncontent"))
    assert failed.value.code == "malformed_answer"


@pytest.mark.parametrize("said", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\r\nHTP", b"220 ready\r\n\r\n"])
async def test_an_answer_that_is_not_http_is_not_waited_for(source: Source, said: bytes) -> None:
    with pytest.raises(EgressNetworkError, match="not HTTP") as failed:
        await fetched(source.sends("/", said, asyncio.Event()))
    assert failed.value.code == "malformed_answer"


async def test_a_head_that_never_ends_is_left(source: Source) -> None:
    def without_end() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n"
        while True:
            yield b"X: " + b"x" * 1000 + b"\r\n"

    with pytest.raises(EgressNetworkError, match="more than 64 KiB"):
        await fetched(source.sends("/", without_end))


async def test_a_source_that_nobody_serves_or_knows_is_a_network_error() -> None:
    async with serving("127.0.0.2") as gone:
        pass
    for url, code in ((gone.url("/"), "connect_failed"), ("http://nowhere.invalid/", "name_unresolved")):
        with pytest.raises(EgressNetworkError) as failed:
            await fetched(url)
        assert failed.value.code == code


# ---------------------------------------------------------------- size: U-E38


async def test_content_that_is_announced_too_large_is_not_read(source: Source) -> None:
    with pytest.raises(EgressTooLargeError) as failed:
        await fetched(source.sends("/", head("200 OK", "Content-Length: 1001"), asyncio.Event()))
    assert (failed.value.size_bytes, failed.value.limit_bytes) == (1001, 1000)


async def test_content_that_becomes_too_large_is_left(source: Source) -> None:
    def without_end() -> Iterator[bytes]:
        while True:
            yield chunk(b"x" * 100)

    with pytest.raises(EgressTooLargeError) as failed:
        await fetched(source.sends("/", head("200 OK", "Transfer-Encoding: chunked"), without_end))
    assert failed.value.size_bytes > 1000


async def test_content_of_exactly_the_largest_size_is_taken(source: Source) -> None:
    assert len((await fetched(source.sends("/", ok(b"x" * 1000)))).content) == 1000


async def test_huge_content_needs_little_memory(source: Source) -> None:
    piece, pieces = b"x" * 2**16, 2000

    def much() -> Iterator[bytes]:
        for _ in range(pieces):
            yield piece

    asked = source.sends("/", head("200 OK", f"Content-Length: {len(piece) * pieces}"), much)
    limits = Limits(total_seconds=60, idle_seconds=10, max_redirects=0, max_bytes=len(piece) * pieces)
    digest, size = hashlib.sha256(), 0
    async with opened() as client, download(client, asked, limits) as found:
        tracemalloc.start()
        try:
            async for part in found.chunks():
                digest.update(part)
                size += len(part)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert size == len(piece) * pieces
    assert peak < 8 * 2**20


# ---------------------------------------------------------------- time: U-E40


async def test_a_source_that_never_answers_times_out(source: Source) -> None:
    limits = Limits(total_seconds=20, idle_seconds=0.2, max_redirects=3, max_bytes=1000)
    with pytest.raises(EgressTimeoutError) as failed:
        await fetched(source.sends("/", asyncio.Event()), limits)
    assert not isinstance(failed.value, EgressDeadlineError)


async def test_content_that_stops_coming_times_out(source: Source) -> None:
    limits = Limits(total_seconds=20, idle_seconds=0.2, max_redirects=3, max_bytes=1000)
    with pytest.raises(EgressTimeoutError) as failed:
        await fetched(source.sends("/", head("200 OK", "Content-Length: 9"), b"some", asyncio.Event()), limits)
    assert not isinstance(failed.value, EgressDeadlineError)


async def test_all_hops_and_the_content_together_have_their_time(source: Source) -> None:
    limits = Limits(total_seconds=0.4, idle_seconds=10, max_redirects=3, max_bytes=1000)
    source.sends("/content", head("200 OK", "Content-Length: 9"), b"some", asyncio.Event())
    for asked in (source.sends("/", redirect("/content")), source.sends("/silent", asyncio.Event())):
        with pytest.raises(EgressDeadlineError):
            await fetched(asked, limits)


# ---------------------------------------------------------------- giving up


@pytest.mark.parametrize("framing", ["Connection: close", "Content-Length: 9"])
async def test_content_that_is_given_up_never_seems_to_end(source: Source, framing: str) -> None:
    """Read by another task, as the object store does: it must not take what it has for all there is."""
    asked = source.sends("/", head("200 OK", framing), b"some", asyncio.Event())
    pieces: list[bytes] = []

    async def read(found: Download) -> None:
        async for piece in found.chunks():
            pieces.append(piece)

    async with opened() as client:
        async with download(client, asked, LIMITS) as found:
            reading = asyncio.create_task(read(found))
            while not pieces:
                await asyncio.sleep(0)
        with pytest.raises(EgressNetworkError):
            await reading


async def test_what_fails_inside_the_block_stays_what_it_is(source: Source) -> None:
    async with opened() as client:
        with pytest.raises(OSError, match="of the store"):
            async with download(client, source.sends("/", ok(b"content")), LIMITS):
                raise OSError("of the store")

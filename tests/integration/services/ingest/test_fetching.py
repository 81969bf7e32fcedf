"""What a source sends lies under the staging key, and the events say what it is."""

import asyncio
import gzip
import hashlib
import random
from collections.abc import Iterator
from typing import Any

import pytest

from contracts.events import FetchCompleted, FetchFailed, FetchProgressed
from tests.integration.services.ingest.rig import TRACE, Rig, until
from tests.servers.source import Source, chunk, head, ok, redirect

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(100)


async def test_a_source_is_fetched(rig: Rig, source: Source) -> None:
    # U-24
    url = source.sends("/folder/a%20file.png?size=1", ok(PNG, "Content-Type: image/png"))
    event, end = await rig.fetched(url)

    assert isinstance(end, FetchCompleted)
    assert (end.size_bytes, end.file_name, end.content_type) == (len(PNG), "a file.png", "image/png")
    stored = await rig.stored(event)
    assert stored is not None
    assert (stored[0].content_type, stored[1]) == ("image/png", PNG)


async def test_what_is_told_belongs_to_the_trace_of_the_request(rig: Rig, source: Source) -> None:
    event, _ = await rig.fetched(source.sends("/", ok(b"content")))
    envelopes = await rig.envelopes(event)
    assert [envelope.type for envelope in envelopes] == [FetchProgressed.type, FetchCompleted.type]
    assert {envelope.correlation_id for envelope in envelopes} == {TRACE}
    assert {envelope.causation_id for envelope in envelopes} == {str(event.event_id)}
    assert all(TRACE in (envelope.traceparent or "") for envelope in envelopes)


@pytest.mark.parametrize(
    ("headers", "name", "content_type"),
    [
        # U-25
        (['Content-Disposition: attachment; filename="report.pdf"'], "report.pdf", None),
        (["Content-Disposition: attachment; filename=x; filename*=UTF-8''%E2%82%AC.pdf"], "€.pdf", None),
        (['Content-Disposition: attachment; filename="../../evil.sh"'], "evil.sh", None),
        (["Content-Disposition: nonsense"], "end", None),
        (["Content-Type: not a type"], "end", None),
        (["Content-Type: text/html; charset=utf-8"], "end", "text/html; charset=utf-8"),
    ],
)
async def test_the_head_of_the_last_answer_names_the_file_and_its_type(
    rig: Rig, source: Source, headers: list[str], name: str, content_type: str | None
) -> None:
    url = source.sends("/start.txt", redirect("/end"))
    source.sends("/end", ok(b"content", *headers))
    _, end = await rig.fetched(url)
    assert isinstance(end, FetchCompleted)
    assert (end.file_name, end.content_type) == (name, content_type)


@pytest.mark.parametrize(
    "steps",
    [
        (head("200 OK", "Transfer-Encoding: chunked"), chunk(b"con"), chunk(b"tent"), chunk(b"")),
        (head(), b"con", b"tent"),
        (redirect("/2"),),
    ],
    ids=["chunked", "ends with the connection", "redirected three times"],
)
async def test_content_comes_in_many_ways(rig: Rig, source: Source, steps: tuple[bytes, ...]) -> None:
    source.sends("/2", redirect("/3"))
    source.sends("/3", redirect("/4"))
    source.sends("/4", ok(b"content"))
    event, end = await rig.fetched(source.sends("/", *steps))
    assert isinstance(end, FetchCompleted)
    stored = await rig.stored(event)
    assert stored is not None
    assert stored[1] == b"content"


async def test_content_that_its_source_encoded_is_stored_decoded(rig: Rig, source: Source) -> None:
    content = b"content" * 1000
    url = source.sends("/", ok(gzip.compress(content), "Content-Encoding: gzip"))
    event, end = await rig.fetched(url, max_size_bytes=len(content))
    assert isinstance(end, FetchCompleted)
    stored = await rig.stored(event)
    assert (end.size_bytes, stored and stored[1]) == (len(content), content)


async def test_an_address_is_asked_for_as_its_user_spelled_it(rig: Rig, source: Source) -> None:
    # U-24
    target = "/a%2Fb%28c%29%7E//d+e?signature=%2Fq%3D%3d"
    source.sends("/my%20file", redirect(target))
    source.sends(target, ok(b"content"))
    _, end = await rig.fetched(source.url("/my file"))
    assert isinstance(end, FetchCompleted)
    assert [request.path for request in source.requests] == ["/my%20file", target]


async def test_a_large_source_flows_through_and_tells_how_far_it_is(rig: Rig, source: Source) -> None:
    # U-31: `progress` with done and total
    piece, pieces = random.Random(1).randbytes(2**20), 40  # several parts of an S3 object
    half_way = asyncio.Event()

    def first_half() -> Iterator[bytes]:
        for _ in range(pieces // 2):
            yield piece

    total = len(piece) * pieces
    url = source.sends("/", head("200 OK", f"Content-Length: {total}"), first_half, half_way, first_half)
    event = await rig.request(url)

    async def reported() -> bool:
        return any(report.done_bytes >= total // 4 for report in await rig.progress(event))

    await until(reported)
    assert await rig.stored(event) is None, "nothing is visible before all of it is there"
    half_way.set()
    end = await rig.end(event)

    assert isinstance(end, FetchCompleted)
    assert end.size_bytes == total
    stored = await rig.stored(event)
    assert stored is not None
    assert hashlib.sha256(stored[1]).digest() == hashlib.sha256(piece * pieces).digest()
    reports = await rig.progress(event)
    assert [report.sequence for report in reports] == list(range(1, len(reports) + 1))
    assert [report.done_bytes for report in reports] == sorted({report.done_bytes for report in reports})
    assert {report.total_bytes for report in reports} == {total}


async def test_a_source_of_unknown_length_tells_how_far_it_is(rig: Rig, source: Source) -> None:
    more = asyncio.Event()
    url = source.sends("/", head("200 OK", "Transfer-Encoding: chunked"), chunk(b"content"), more, chunk(b"!"), chunk(b""))
    event = await rig.request(url)
    [report] = await until(lambda: rig.progress(event))
    assert (report.done_bytes, report.total_bytes) == (7, None)
    more.set()
    assert isinstance(await rig.end(event), FetchCompleted)


@pytest.mark.parametrize(
    ("content", "declared", "rules", "refused"),
    [
        # U-E41
        (PNG, "image/png", {"allowed_types": ("image/*",)}, None),
        (PNG, None, {"allowed_types": ("image/*",)}, None),
        (PNG, "application/octet-stream", {"allowed_types": ("image/png",)}, None),
        (b"a,b\n1,2\n", "text/csv", {"allowed_types": ("text/csv",)}, None),
        (b"<html><body>", "image/png", {"allowed_types": ("image/*",)}, "text/html"),
        (PNG, "text/html", {"allowed_types": ("image/*",)}, "text/html"),
        (b"<html><body>", "text/plain", {"forbidden_types": ("text/html",)}, "text/html"),
        (b"<html><body>", "text/html", {"forbidden_types": ("text/*",)}, "text/html"),
    ],
)
async def test_types_are_judged_by_what_is_declared_and_by_what_it_is(
    rig: Rig, source: Source, content: bytes, declared: str | None, rules: dict[str, Any], refused: str | None
) -> None:
    headers = [f"Content-Type: {declared}"] if declared else []
    event, end = await rig.fetched(source.sends("/", ok(content, *headers)), **rules)
    if refused is None:
        assert isinstance(end, FetchCompleted)
    else:
        assert isinstance(end, FetchFailed)
        assert (end.code, end.message) == ("fetch_type_forbidden", refused)
        assert await rig.stored(event) is None

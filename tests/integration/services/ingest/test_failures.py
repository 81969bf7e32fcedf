"""How fetches fail: one event with its code, and nothing in the store."""

import asyncio
import gzip
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from contracts.events import FetchCompleted, FetchFailed
from libs.object_store.port import ObjectStore, StoreUnavailableError
from tests.integration.services.ingest.rig import Rig, running, until
from tests.servers.source import RESET, Source, chunk, head, ok, redirect


async def failure(rig: Rig, url: str, **changes: Any) -> tuple[str, str]:
    """Code and message, once it is sure that nothing was stored."""
    event, end = await rig.fetched(url, **changes)
    assert isinstance(end, FetchFailed)
    assert await rig.stored(event) is None
    assert (await rig.row(event))["envelope"] is None, "the URL is forgotten"
    return end.code, end.message


async def test_a_source_that_does_not_have_it_is_asked_once(rig: Rig, source: Source) -> None:
    # U-E32
    url = source.sends("/", head("404 Nowhere", "Content-Length: 0"))
    assert await failure(rig, url) == ("fetch_client_error", "404 Not Found")
    assert source.asked("/") == 1


async def test_a_source_that_fails_is_asked_again_a_few_times(rig: Rig, source: Source) -> None:
    # U-E34
    url = source.sends("/", head("500 Broken", "Content-Length: 0"))
    assert await failure(rig, url) == ("fetch_server_error", "500 Internal Server Error")
    assert source.asked("/") == 4


@pytest.mark.parametrize(
    "steps",
    [
        (head("503 Busy", "Content-Length: 0"),),
        (head("429 Slow down", "Content-Length: 0"),),
        (head("200 OK", "Content-Length: 10"), b"cut"),
        (head("200 OK", "Content-Length: 40000000"), b"x" * 20_000_000, RESET),
        (head("200 OK", "Transfer-Encoding: chunked"), chunk(b"cut off"), RESET),
    ],
    ids=["503", "429", "too short", "broken in the second part", "broken chunks"],
)
async def test_a_failure_that_passes_is_no_failure(rig: Rig, source: Source, steps: tuple[bytes | str, ...]) -> None:
    source.sends("/", *steps)
    url = source.sends("/", ok(b"content"))
    event, end = await rig.fetched(url)
    assert isinstance(end, FetchCompleted)
    stored = await rig.stored(event)
    assert stored is not None
    assert stored[1] == b"content"
    row = await rig.row(event)
    assert (row["failures"], row["attempts"]) == (1, 1)


@pytest.mark.parametrize(
    "steps", [(head("200 OK", "Content-Length: 40000000"), b"x" * 20_000_000), (head("200 OK", "Content-Length: 9"), b"cut")]
)
async def test_a_source_that_always_breaks_off_leaves_nothing(rig: Rig, source: Source, steps: tuple[bytes, ...]) -> None:
    # U-E33
    code, _ = await failure(rig, source.sends("/", *steps))
    assert code == "fetch_network_error"
    assert await rig.keys() == []


async def test_content_in_an_encoding_that_nobody_decodes_is_asked_for_once(rig: Rig, source: Source) -> None:
    # U-E33
    code, message = await failure(rig, source.sends("/", ok(b"content", "Content-Encoding: compress")))
    assert code == "fetch_network_error"
    assert message == "the content is encoded as `compress`: only gzip, deflate, br and zstd can be decoded"
    assert source.asked("/") == 1


async def test_a_bomb_leaves_nothing(rig: Rig, source: Source) -> None:
    # U-E38
    url = source.sends("/", ok(gzip.compress(bytes(10_000_000)), "Content-Encoding: gzip"))
    code, _ = await failure(rig, url, max_size_bytes=1_000_000)
    assert code == "fetch_too_large"
    assert await rig.keys() == []


async def test_a_name_without_an_address_is_a_network_error(rig: Rig) -> None:
    # U-E81
    assert await failure(rig, "http://nowhere.invalid/") == ("fetch_network_error", "the name has no address")


async def test_an_address_where_nobody_listens_is_a_network_error(rig: Rig) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.2", 0))
        assert (await failure(rig, f"http://127.0.0.2:{free.getsockname()[1]}/"))[0] == "fetch_network_error"


@pytest.mark.parametrize(
    ("location", "message"),
    [
        # U-E84, U-E88, U-E83
        ("http://127.0.0.1/", "only public IPs are allowed"),
        ("http://169.254.169.254/latest/meta-data/", "only public IPs are allowed"),
        ("http://[::ffff:127.0.0.1]/", "only public IPs are allowed"),
        ("file:///etc/passwd", "only http and https are accepted"),
        ("http://a..b/", "the host is malformed"),
        ("http://a.example/\tb", "it holds control characters, or a backslash after the host"),
    ],
)
async def test_where_it_must_not_go_it_does_not_go(rig: Rig, source: Source, location: str, message: str) -> None:
    # U-44
    assert await failure(rig, location) == ("fetch_url_refused", message)
    assert await failure(rig, source.sends("/", redirect(location))) == ("fetch_url_refused", message)
    assert source.asked("/") == 1


async def test_too_many_redirects(rig: Rig, source: Source) -> None:
    # U-E87
    url = source.sends("/", redirect("/"))
    assert await failure(rig, url) == ("fetch_too_many_redirects", "more than 3 redirects")
    assert source.asked("/") == 4


async def test_content_that_is_announced_too_large(rig: Rig, source: Source) -> None:
    # U-E38
    url = source.sends("/", head("200 OK", "Content-Length: 1001"), asyncio.Event())
    assert await failure(rig, url, max_size_bytes=1000) == ("fetch_too_large", "1001 > 1000")


async def test_content_that_becomes_too_large(rig: Rig, source: Source) -> None:
    # U-E38
    def without_end() -> Iterator[bytes]:
        while True:
            yield chunk(b"x" * 2**16)

    url = source.sends("/", head("200 OK", "Transfer-Encoding: chunked"), without_end)
    code, message = await failure(rig, url, max_size_bytes=20_000_000)
    assert code == "fetch_too_large"
    assert message.endswith(" > 20000000")
    assert await rig.keys() == []


@pytest.mark.parametrize(
    "answer", [ok(b""), head("204 No Content"), head("200 OK", "Transfer-Encoding: chunked") + chunk(b""), head()]
)
async def test_no_content_is_a_failure(rig: Rig, source: Source, answer: bytes) -> None:
    assert await failure(rig, source.sends("/", answer)) == ("fetch_empty", "the source has no content")
    assert source.asked("/") == 1


async def test_a_source_that_is_silent_is_asked_again_one_that_is_slow_is_not(
    database_dsn: str, store: ObjectStore, source: Source
) -> None:
    # U-E40
    silent = source.sends("/silent", head("200 OK", "Content-Length: 9"), b"some", asyncio.Event())
    async with running(database_dsn, store, ingest_idle_seconds=0.2, ingest_retries=1) as rig:
        assert await failure(rig, silent) == ("fetch_timeout", "0.2")
    assert source.asked("/silent") == 2

    async with running(database_dsn, store, ingest_timeout_seconds=0.5) as rig:
        slow = source.sends("/slow", head("200 OK", "Content-Length: 9"), b"some", asyncio.Event())
        assert await failure(rig, slow) == ("fetch_timeout", "0.5")
    assert source.asked("/slow") == 1


async def test_a_store_that_fails_is_waited_for(rig: Rig, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    write, calls = type(rig.store).write, 0

    async def failing(self: ObjectStore, *args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls < 2:
            raise StoreUnavailableError("away")
        return await write(self, *args, **options)

    monkeypatch.setattr(type(rig.store), "write", failing)
    event, end = await rig.fetched(source.sends("/", ok(b"content")))
    assert isinstance(end, FetchCompleted)
    row = await rig.row(event)
    assert (row["failures"], row["attempts"], calls) == (0, 1, 2)


async def test_our_own_mistake_ends_as_an_internal_failure(
    rig: Rig, source: Source, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # U-E36
    async def mistaken(self: ObjectStore, *args: Any, **options: Any) -> Any:
        raise RuntimeError(f"a mistake with {url}")

    monkeypatch.setattr(type(rig.store), "write", mistaken)
    url = source.sends("/?token=secret", ok(b"content"))
    assert await failure(rig, url) == ("fetch_internal", "an internal problem")
    assert source.asked("/?token=secret") == 4
    assert "secret" not in capsys.readouterr().out


async def test_a_tenants_slow_sources_hold_up_nobody_else(database_dsn: str, store: ObjectStore, source: Source) -> None:
    never = asyncio.Event()
    slow = source.sends("/slow", head("200 OK", "Content-Length: 9"), b"some", never)
    async with running(database_dsn, store, ingest_concurrency=3, ingest_tenant_concurrency=2) as rig:
        waiting = [await rig.request(slow) for _ in range(5)]
        await source.until_asked("/slow", 2)
        other = "00000000-0000-4000-8000-000000000002"
        _, end = await rig.fetched(source.sends("/quick", ok(b"content")), tenant_id=other)
        assert isinstance(end, FetchCompleted)
        assert source.asked("/slow") == 2
        assert [await rig.state(event) for event in waiting] == ["open"] * 5
        never.set()

        async def ended() -> bool:
            return [await rig.state(event) for event in waiting] != ["open"] * 5

        await until(ended)

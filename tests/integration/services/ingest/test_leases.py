"""Fetches survive their workers, happen once, and end with their upload."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.events import (
    FetchCompleted,
    FetchedUploadClosed,
    FetchFailed,
)
from libs.messaging import handler
from libs.object_store.port import ObjectStore
from services.ingest.jobs import Upkeep
from services.ingest.usecases.repository import FetchRepository
from tests.integration.services.ingest.rig import Rig, about, requested, running, store_at, until
from tests.messages import handle, message
from tests.servers.source import Source, head, ok

ROOT = Path(__file__).parents[4]

PIECE = b"x" * 2**20
LENGTH = head("200 OK", f"Content-Length: {40 * len(PIECE)}", 'Content-Disposition: attachment; filename="kept.bin"')


def half() -> Iterator[bytes]:
    for _ in range(20):
        yield PIECE


@asynccontextmanager
async def other_worker(dsn: str, place: str) -> AsyncIterator[subprocess.Popen[bytes]]:
    command = [sys.executable, str(Path(__file__).with_name("worker_process.py")), dsn, place]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}) as process:
        assert process.stdout is not None
        while not (line := await asyncio.to_thread(process.stdout.readline)).strip().endswith(b"ready"):
            assert line, "the worker did not start"
        try:
            yield process
        finally:
            process.kill()


async def test_another_worker_takes_over_what_a_killed_one_left(
    database_dsn: str, place: str, store: ObjectStore, source: Source
) -> None:
    # Given a worker of another process in the middle of a fetch
    source.sends("/", LENGTH, half, asyncio.Event())
    url = source.sends("/", LENGTH, half, half)
    async with running(database_dsn, store, loops=False) as rig, other_worker(database_dsn, place) as process:
        event = await rig.request(url)

        async def begun() -> bool:
            return bool((await rig.row(event))["has_begun"])

        await until(begun)

        # When that process is killed
        process.kill()
        await asyncio.to_thread(process.wait)

    # Then another one begins again, and the end is told once
    async with running(database_dsn, store) as other:
        end = await other.end(event)
        assert isinstance(end, FetchCompleted)
        assert (end.size_bytes, end.file_name) == (40 * len(PIECE), "kept.bin")
        assert (await other.row(event))["attempts"] == 2
        reports = await other.progress(event)
    assert [report.sequence for report in reports] == list(range(1, len(reports) + 1))
    assert [report.done_bytes for report in reports] == sorted({report.done_bytes for report in reports})
    assert source.asked("/") == 2


async def test_a_worker_that_stops_gives_its_fetch_back_at_once(database_dsn: str, store: ObjectStore, source: Source) -> None:
    source.sends("/", LENGTH, half, asyncio.Event())
    url = source.sends("/", LENGTH, half, half)
    async with running(database_dsn, store, loops=False) as watcher:
        async with running(database_dsn, store, ingest_lease_seconds=60) as rig:
            event = await rig.request(url)
            await until(lambda: rig.progress(event))
        row = await watcher.row(event)
        assert (row["state"], row["lease"], row["attempts"], row["failures"]) == ("open", None, 0, 0)
        assert await watcher.stored(event) is None
    async with running(database_dsn, store) as rig:
        assert isinstance(await rig.end(event), FetchCompleted)


@pytest.mark.parametrize("framing", ["Connection: close", "Content-Length: 40000000"])
async def test_what_a_stopped_worker_had_is_never_taken_for_all_there_is(
    database_dsn: str, place: str, store: ObjectStore, source: Source, framing: str
) -> None:
    """A content without announced length ends with its connection, which is what stopping closes."""
    url = source.sends("/", head("200 OK", framing), half, asyncio.Event())
    own_store = store_at(place)
    await own_store.open()
    async with running(database_dsn, own_store) as rig:
        event = await rig.request(url)
        await until(lambda: rig.progress(event))
    await own_store.close()  # its threads have ended

    async with running(database_dsn, store, loops=False) as watcher:
        assert await watcher.state(event) == "open"
        assert await watcher.stored(event) is None


async def test_what_was_stored_is_not_fetched_again(
    database_dsn: str, store: ObjectStore, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a worker that died between storing everything and saying so
    async def dies(self: FetchRepository, *args: Any) -> None:
        raise asyncio.CancelledError

    url = source.sends("/", ok(b"content", "Content-Type: text/plain", "Content-Disposition: x; filename=kept.txt"))
    with monkeypatch.context() as patched:
        patched.setattr(FetchRepository, "record", dies)
        async with running(database_dsn, store) as rig:
            event = await rig.request(url)
            await until(lambda: rig.stored(event))

    # When another one takes over
    async with running(database_dsn, store) as rig:
        end = await rig.end(event)

    # Then it says so
    assert isinstance(end, FetchCompleted)
    assert (end.size_bytes, end.file_name, end.content_type) == (7, "kept.txt", "text/plain")
    assert source.asked("/") == 1


async def test_a_file_that_was_accepted_meanwhile_is_not_fetched_again(
    database_dsn: str, store: ObjectStore, source: Source
) -> None:
    """Its staged copy is gone by then."""
    url = source.sends("/", head("200 OK", "Content-Length: 9", "Content-Disposition: x; filename=kept"), b"x", asyncio.Event())
    async with running(database_dsn, store) as rig:
        event = await rig.request(url)
        await until(lambda: rig.progress(event))
    async with running(database_dsn, store, loops=False) as rig:
        await rig.hear(about(event, FetchedUploadClosed, outcome="completed", size_bytes=9))
        end = await rig.end(event)
        assert isinstance(end, FetchCompleted)
        assert (end.size_bytes, end.file_name) == (9, "kept")
    async with running(database_dsn, store) as rig:
        await until(lambda: _is(rig, event, "completed"))
    assert source.asked("/") == 1


async def test_a_fetch_that_keeps_killing_its_workers_is_given_up(rig: Rig, source: Source) -> None:
    # U-E36
    event = requested(source.sends("/", ok(b"content")))
    async with rig.service.outbox.unit_of_work() as work:
        await handler.handle(rig.service.handlers, [message(event)], work)
        await work.connection.execute("UPDATE fetches SET attempts = 10")
    end = await rig.end(event)
    assert isinstance(end, FetchFailed)
    assert end.code == "fetch_internal"
    assert source.asked("/") == 0


async def test_a_fetch_that_is_asked_for_again_happens_once(rig: Rig, source: Source) -> None:
    # Given one that has ended, and another that is under way
    done, _ = await rig.fetched(source.sends("/done", ok(b"content")))
    more = asyncio.Event()
    running_one = await rig.request(source.sends("/running", head("200 OK", "Content-Length: 2"), b"1", more, b"2"))
    await source.until_asked("/running")

    # When both are asked for again and again, past the inbox
    for event in (done, running_one) * 3:
        await handle(rig.service.outbox, rig.service.handlers, event)
    more.set()
    await rig.end(running_one)

    # Then each was fetched once and told once
    another, _ = await rig.fetched(source.sends("/another", ok(b"content")))
    assert (source.asked("/done"), source.asked("/running")) == (1, 1)
    for event in (done, running_one, another):
        assert sum(isinstance(told, FetchCompleted) for told in await rig.told(event)) == 1


ENDS = [
    {"outcome": "aborted", "code": "client"},
    {"outcome": "expired"},
    {"outcome": "rejected", "code": "x", "message": "y"},
]


@pytest.mark.parametrize("fields", ENDS)
async def test_an_upload_that_ends_ends_its_fetch(rig: Rig, source: Source, fields: dict[str, Any]) -> None:
    stopped = asyncio.Event()

    def until_stopped() -> Iterator[bytes]:
        try:
            while True:
                yield b"x" * 1000
        finally:
            stopped.set()

    event = await rig.request(source.sends("/", head("200 OK", "Content-Length: 1000000000"), until_stopped))
    await until(lambda: rig.progress(event))
    await rig.hear(about(event, FetchedUploadClosed, **fields))

    async with asyncio.timeout(60):
        await stopped.wait()
    assert await rig.state(event) == "cancelled"
    assert await rig.stored(event) is None
    assert not any(isinstance(told, FetchCompleted | FetchFailed) for told in await rig.told(event))


@pytest.mark.parametrize("fields", ENDS)
async def test_an_upload_that_has_ended_is_not_fetched(rig: Rig, source: Source, fields: dict[str, Any]) -> None:
    event = requested(source.sends("/", ok(b"content")))
    await rig.hear(about(event, FetchedUploadClosed, **fields))
    await rig.hear(event)
    await rig.fetched(source.sends("/another", ok(b"content")))
    assert await rig.state(event) == "cancelled"
    assert source.asked("/") == 0


async def test_ended_fetches_are_forgotten_after_a_while(rig: Rig, source: Source) -> None:
    event, _ = await rig.fetched(source.sends("/", ok(b"content")))
    await Upkeep(rig.service.outbox, retention=timedelta(days=1)).once()
    assert await rig.state(event) == "completed"
    await Upkeep(rig.service.outbox, retention=timedelta(0)).once()
    assert await rig.state(event) is None


async def _is(rig: Rig, event: Any, state: str) -> bool:
    return await rig.state(event) == state

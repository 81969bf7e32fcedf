"""Files of a watched bucket below a prefix become uploads, each once: against a real S3 server, into both stores."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from contracts.container import S3Container, WatchedBucket
from contracts.events import WatchedFileFound
from libs.object_store.port import ObjectStore, delete_prefix
from libs.object_store.s3 import S3Store
from services.ingest.adapters import bucket as bucket_module
from services.ingest.adapters.bucket import Bucket
from services.ingest.usecases.outcome import Outcomes
from tests.integration.services.ingest.rig import until
from tests.integration.services.ingest.test_blob import s3_container
from tests.integration.services.ingest.watched import named, watching
from tests.servers import s3

PREFIX = "in/box/"


@pytest_asyncio.fixture
async def inbox(s3_server: str) -> AsyncIterator[tuple[S3Store, S3Container]]:
    url = s3.bucket_url(s3_server)
    opened = S3Store.from_url(url)
    await opened.open()
    try:
        yield opened, s3_container(url)
    finally:
        await delete_prefix(opened, "")
        await opened.close()


async def drop(bucket: S3Store, path: str, content: bytes = b"content") -> None:
    async def once() -> AsyncIterator[bytes]:
        yield content

    await bucket.write(path, once(), content_type="video/mp4")


async def content_of(bucket: S3Store, key: str) -> bytes:
    return b"".join([piece async for piece in bucket.read(key)])


async def keys_in(bucket: S3Store) -> list[str]:
    return sorted([found.key async for page in bucket.list("") for found in page])


async def test_an_object_becomes_an_upload_once_and_goes(
    database_dsn: str, store: ObjectStore, inbox: tuple[S3Store, S3Container], tmp_path: Path
) -> None:
    # M-07
    bucket, container = inbox
    film = random.Random(1).randbytes(9_000_000)
    await drop(bucket, f"{PREFIX}101_My clips/Käse & Brot.mp4", film)
    for other in ("in/boxes.mp4", f"{PREFIX}.hidden", f"{PREFIX}film.mp4.part", f"{PREFIX}a/.done/film.mp4"):
        await drop(bucket, other)
    async with watching(database_dsn, store, tmp_path, named(WatchedBucket(container=container, prefix=PREFIX))) as watcher:
        assert await watcher.ended(1) == {"101_My clips/Käse & Brot.mp4": ["taken"]}
        await drop(bucket, f"{PREFIX}last.mp4")
        assert len(await watcher.ended(2)) == 2
        found = (await watcher.found())[0]
        assert (found.file_name, found.folder_id, found.folder_label) == ("Käse & Brot.mp4", "101", "My clips")
        assert await watcher.content(found) == film
    assert await keys_in(bucket) == [f"{PREFIX}.hidden", f"{PREFIX}a/.done/film.mp4", f"{PREFIX}film.mp4.part", "in/boxes.mp4"]


async def test_an_upload_can_move_its_object_instead(
    database_dsn: str, store: ObjectStore, inbox: tuple[S3Store, S3Container], tmp_path: Path
) -> None:
    # M-07
    bucket, container = inbox
    await drop(bucket, "101_Clips/Käse & Brot.mp4", b"one")
    folder = named(WatchedBucket(container=container), on_success="move")
    async with watching(database_dsn, store, tmp_path, folder) as watcher:
        assert await watcher.ended(1) == {"101_Clips/Käse & Brot.mp4": ["taken"]}
    assert await keys_in(bucket) == [".done/101_Clips/Käse & Brot.mp4"]
    assert await content_of(bucket, ".done/101_Clips/Käse & Brot.mp4") == b"one"


async def test_a_refused_object_stays_with_the_reason(
    database_dsn: str, store: ObjectStore, inbox: tuple[S3Store, S3Container], tmp_path: Path
) -> None:
    # M-07
    bucket, container = inbox
    await drop(bucket, f"{PREFIX}film.mp4")
    async with watching(database_dsn, store, tmp_path, named(WatchedBucket(container=container, prefix=PREFIX))) as watcher:
        watcher.refuses.add("film.mp4")
        assert await watcher.ended(1) == {"film.mp4": ["kept"]}
        assert await content_of(bucket, f"{PREFIX}film.mp4.error.txt") == b"infected: Eicar\n"
        await drop(bucket, f"{PREFIX}other.mp4")
        assert await watcher.ended(2) == {"film.mp4": ["kept"], "other.mp4": ["taken"]}
        watcher.refuses.clear()
        await drop(bucket, f"{PREFIX}film.mp4", b"repaired")
        assert await watcher.ended(3) == {"film.mp4": ["kept", "taken"], "other.mp4": ["taken"]}
    assert await keys_in(bucket) == [f"{PREFIX}film.mp4.error.txt"]


async def test_an_object_that_is_replaced_meanwhile_is_found_again(
    database_dsn: str, store: ObjectStore, inbox: tuple[S3Store, S3Container], tmp_path: Path
) -> None:
    bucket, container = inbox
    await drop(bucket, f"{PREFIX}film.mp4", b"first")
    folder = named(WatchedBucket(container=container, prefix=PREFIX))
    async with watching(database_dsn, store, tmp_path, folder, served=False) as watcher:
        [first] = await until(watcher.found)
        await watcher.rig.end(await watcher.ask(first))
        await drop(bucket, f"{PREFIX}film.mp4", b"second")
        await watcher.accept(first)

        async def again() -> list[WatchedFileFound]:
            return [found for found in await watcher.found() if found.file_id != first.file_id]

        [second] = await until(again)
        await watcher.rig.end(await watcher.ask(second))
        assert (await watcher.content(first), await watcher.content(second)) == (b"first", b"second")


async def test_listings_come_in_pages(
    database_dsn: str,
    store: ObjectStore,
    inbox: tuple[S3Store, S3Container],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bucket, container = inbox
    monkeypatch.setattr(bucket_module, "PAGE", 2)
    for number in range(7):
        await drop(bucket, f"{PREFIX}{number}.mp4")
    async with watching(database_dsn, store, tmp_path, named(WatchedBucket(container=container, prefix=PREFIX))) as watcher:
        assert await watcher.ended(7) == {f"{number}.mp4": ["taken"] for number in range(7)}
    assert await keys_in(bucket) == []


async def test_replicas_that_watch_the_same_bucket_take_each_object_once(
    database_dsn: str, store: ObjectStore, inbox: tuple[S3Store, S3Container], tmp_path: Path
) -> None:
    # M-07
    bucket, container = inbox
    for number in range(20):
        await drop(bucket, f"{PREFIX}{number}.mp4", str(number).encode())
    folder = named(WatchedBucket(container=container, prefix=PREFIX))
    async with (
        watching(database_dsn, store, tmp_path, folder) as watcher,
        watching(database_dsn, store, tmp_path, served=False),
    ):
        assert await watcher.ended(20) == {f"{number}.mp4": ["taken"] for number in range(20)}
        contents = {event.file_name: await watcher.content(event) for event in await watcher.found()}
        assert contents == {f"{number}.mp4": str(number).encode() for number in range(20)}
    assert await keys_in(bucket) == []


@pytest.mark.parametrize("step", ["read", "told", "accept", "refuse"])
async def test_interruptions_lose_and_repeat_nothing(
    database_dsn: str,
    store: ObjectStore,
    inbox: tuple[S3Store, S3Container],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    # M-07: over restarts
    bucket, container = inbox
    await drop(bucket, f"{PREFIX}film.mp4")
    folder = named(WatchedBucket(container=container, prefix=PREFIX), on_success="move")
    owner, name = {
        "read": (Bucket, "open"), "told": (Outcomes, "completed"), "accept": (Bucket, "accept"), "refuse": (Bucket, "refuse")
    }[step]  # fmt: skip
    original, reached = getattr(owner, name), asyncio.Event()

    async def dies(*args: Any, **kwargs: Any) -> None:
        if step in ("accept", "refuse"):
            await original(*args, **kwargs)
        reached.set()
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, dies if step != "read" else _dying(reached))
        async with watching(database_dsn, store, tmp_path, folder) as watcher:
            if step == "refuse":
                watcher.refuses.add("film.mp4")
            async with asyncio.timeout(60):
                await reached.wait()
    async with watching(database_dsn, store, tmp_path) as watcher:
        if step == "refuse":
            watcher.refuses.add("film.mp4")
        assert await watcher.ended(1) == {"film.mp4": ["kept" if step == "refuse" else "taken"]}
        await drop(bucket, f"{PREFIX}last.mp4")
        assert len(await watcher.ended(2)) == 2
    kept = [f"{PREFIX}film.mp4", f"{PREFIX}film.mp4.error.txt"] if step == "refuse" else [f"{PREFIX}.done/film.mp4"]
    assert await keys_in(bucket) == sorted([f"{PREFIX}.done/last.mp4", *kept])


def _dying(reached: asyncio.Event) -> Any:
    def dies(*_: Any) -> Any:
        reached.set()
        raise asyncio.CancelledError

    return dies


async def test_a_bucket_that_does_not_answer_holds_up_no_other(
    database_dsn: str, store: ObjectStore, inbox: tuple[S3Store, S3Container], tmp_path: Path
) -> None:
    bucket, container = inbox
    await drop(bucket, f"{PREFIX}film.mp4")
    away = S3Container.model_validate(container.model_dump() | {"endpoint": "http://127.0.0.1:9"})
    wrong = S3Container.model_validate(container.model_dump() | {"secret_key": "wrong"})
    good = named(WatchedBucket(container=container, prefix=PREFIX))
    async with watching(
        database_dsn, store, tmp_path, named(WatchedBucket(container=away)), named(WatchedBucket(container=wrong)), good
    ) as watcher:
        assert await watcher.ended(1) == {"film.mp4": ["taken"]}

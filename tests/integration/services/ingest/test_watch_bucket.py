"""Files of a watched bucket below a prefix become uploads, each once: against a real S3 server, into both stores."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import pytest
import pytest_asyncio
from aiohttp import web
from pydantic import SecretStr

from contracts.container import S3Container, WatchedBucket
from contracts.events import WatchedFileFound
from contracts.ids import new_upload_id
from libs.egress.client import GuardedClient
from libs.egress.policy import Policy, parse_networks
from libs.object_store.port import ObjectStore, delete_prefix
from libs.object_store.s3 import S3Store
from services.ingest import jobs
from services.ingest.adapters import bucket as bucket_module
from services.ingest.adapters.bucket import Bucket
from services.ingest.adapters.place import PlaceUnavailableError
from services.ingest.domain.ignored_name import IgnoredNames
from services.ingest.domain.watch import WatchedFile
from services.ingest.usecases.repository import FetchRepository
from tests.integration.services.ingest.rig import until
from tests.integration.services.ingest.test_blob import s3_container
from tests.integration.services.ingest.watched import named, watching
from tests.servers import s3
from tests.servers.destination import hangs, serving

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


@pytest_asyncio.fixture
async def client() -> AsyncIterator[GuardedClient]:
    client = GuardedClient(Policy(parse_networks("127.0.0.0/8")), timeout_seconds=20)
    await client.open()
    yield client
    await client.close()


def watched(client: GuardedClient, container: S3Container) -> Bucket:
    settings = WatchedBucket(container=container, prefix=PREFIX)
    return Bucket(settings, client, IgnoredNames(), timeout_seconds=20, idle_seconds=20)


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
    ignored = [f"{PREFIX}{name}" for name in ("#recycle/film.mp4", ".hidden", "Thumbs.db", "a/.done/film.mp4", "film.mp4.part")]
    for other in ("in/boxes.mp4", *ignored):
        await drop(bucket, other)
    async with watching(database_dsn, store, tmp_path, named(WatchedBucket(container=container, prefix=PREFIX))) as watcher:
        assert await watcher.ended(1) == {"101_My clips/Käse & Brot.mp4": ["taken"]}
        await drop(bucket, f"{PREFIX}last.mp4")
        assert len(await watcher.ended(2)) == 2
        found = (await watcher.found())[0]
        assert (found.file_name, found.folder_id, found.folder_label) == ("Käse & Brot.mp4", "101", "My clips")
        assert await watcher.content(found) == film
    assert await keys_in(bucket) == [*ignored, "in/boxes.mp4"]


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
        assert (await content_of(bucket, f"{PREFIX}film.mp4.error.txt")).startswith(b"infected: Eicar\n")
        await drop(bucket, f"{PREFIX}other.mp4")
        assert await watcher.ended(2) == {"film.mp4": ["kept"], "other.mp4": ["taken"]}
        watcher.refuses.clear()
        await drop(bucket, f"{PREFIX}film.mp4", b"repaired")
        assert await watcher.ended(3) == {"film.mp4": ["kept", "taken"], "other.mp4": ["taken"]}
    assert await keys_in(bucket) == []


async def test_an_object_that_was_never_read_is_taken_again_without_its_note(
    database_dsn: str, store: ObjectStore, inbox: tuple[S3Store, S3Container], tmp_path: Path
) -> None:
    # M-07: the object is as it was, only the limit has changed
    bucket, container = inbox
    await drop(bucket, f"{PREFIX}film.mp4")
    async with watching(database_dsn, store, tmp_path, named(WatchedBucket(container=container, prefix=PREFIX))) as watcher:
        watcher.max_size_bytes = 1
        assert await watcher.ended(1) == {"film.mp4": ["kept"]}
        watcher.max_size_bytes = 1000
        await bucket.delete([f"{PREFIX}film.mp4.error.txt"])
        assert await watcher.ended(2) == {"film.mp4": ["kept", "taken"]}
    assert await keys_in(bucket) == []


async def test_an_empty_object_waits_until_it_is_filled(
    database_dsn: str, store: ObjectStore, inbox: tuple[S3Store, S3Container], tmp_path: Path
) -> None:
    # M-07
    bucket, container = inbox
    await drop(bucket, f"{PREFIX}film.mp4", b"")
    folder = named(WatchedBucket(container=container, prefix=PREFIX))
    async with watching(database_dsn, store, tmp_path, folder, ingest_watch_empty_seconds=0.5) as watcher:
        assert await watcher.ended(1) == {"film.mp4": ["kept"]}
        assert await watcher.found() == []
        assert await keys_in(bucket) == [f"{PREFIX}film.mp4", f"{PREFIX}film.mp4.error.txt"]
        await drop(bucket, f"{PREFIX}film.mp4")
        assert await watcher.ended(2) == {"film.mp4": ["kept", "taken"]}
    assert await keys_in(bucket) == []


async def test_the_note_of_an_object_that_was_removed_goes(
    database_dsn: str, store: ObjectStore, inbox: tuple[S3Store, S3Container], tmp_path: Path
) -> None:
    # M-07
    bucket, container = inbox
    await drop(bucket, f"{PREFIX}film.mp4", b"")
    folder = named(WatchedBucket(container=container, prefix=PREFIX))
    async with watching(database_dsn, store, tmp_path, folder, ingest_watch_empty_seconds=0.3) as watcher:
        await watcher.ended(1)
        await bucket.delete([f"{PREFIX}film.mp4"])

        async def is_empty() -> bool:
            return await keys_in(bucket) == []

        await until(is_empty)


async def test_an_object_of_somebody_else_that_is_called_like_a_note_stays(
    inbox: tuple[S3Store, S3Container], client: GuardedClient
) -> None:
    bucket, container = inbox
    await drop(bucket, f"{PREFIX}film.mp4")
    [sighting] = (await watched(client, container).survey()).files
    await drop(bucket, f"{PREFIX}film.mp4.error.txt", b"theirs")
    file = WatchedFile(new_upload_id(), sighting.path, sighting.size_bytes, sighting.version)
    with pytest.raises(PlaceUnavailableError, match=r"film\.mp4\.error\.txt"):
        await watched(client, container).refuse(file, "infected: Eicar")
    await watched(client, container).accept(file, "delete")
    assert await keys_in(bucket) == [f"{PREFIX}film.mp4.error.txt"]
    assert await content_of(bucket, f"{PREFIX}film.mp4.error.txt") == b"theirs"


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


async def test_ignored_folders_are_not_listed_again_and_again(
    inbox: tuple[S3Store, S3Container], client: GuardedClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket, container = inbox
    monkeypatch.setattr(bucket_module, "PAGE", 2)
    monkeypatch.setattr(bucket_module, "MAX_PAGES", 4)
    for number in range(9):
        await drop(bucket, f"{PREFIX}#recycle/{number}.mp4")
        await drop(bucket, f"{PREFIX}.done/{number}.mp4")
    for name in ("-first.mp4", "0.mp4", "Film.mp4"):
        await drop(bucket, PREFIX + name)

    survey = await watched(client, container).survey()

    assert [sighting.path for sighting in survey.files] == ["-first.mp4", "0.mp4", "Film.mp4"]


async def test_refused_objects_take_no_others_place(
    inbox: tuple[S3Store, S3Container], client: GuardedClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket, container = inbox
    monkeypatch.setattr(bucket_module, "PAGE", 3)
    monkeypatch.setattr(bucket_module, "MAX_SIGHTINGS", 2)
    for number in range(4):
        await drop(bucket, f"{PREFIX}{number}.mp4")
        await drop(bucket, f"{PREFIX}{number}.mp4.error.txt")
    await drop(bucket, f"{PREFIX}last.mp4")

    survey = await watched(client, container).survey()

    assert [sighting.path for sighting in survey.files] == ["last.mp4"]


class Overwritten:
    """A bucket with one object and no error note, which somebody replaces after so many requests."""

    def __init__(self, after: int, *, knows_conditional_deletes: bool = True) -> None:
        self.after = after
        self.knows_conditional_deletes = knows_conditional_deletes
        self.seen: list[tuple[str, str | None]] = []

    async def serve(self, request: web.Request) -> web.StreamResponse:
        if request.path.endswith(".error.txt"):
            return web.Response(status=404)
        version = "old" if len(self.seen) < self.after else "new"
        condition = request.headers.get("x-amz-copy-source-if-match", request.headers.get("If-Match"))
        self.seen.append((request.method, condition))
        if request.method == "DELETE" and condition and not self.knows_conditional_deletes:
            return web.Response(status=501)
        if condition and condition != f'"{version}"':
            return web.Response(status=412)
        return web.Response(status=200, headers={"ETag": f'"{version}"'})


async def cleared(client: GuardedClient, given: Overwritten, on_success: Literal["delete", "move"]) -> list[str]:
    async with serving(given.serve) as server:
        container = S3Container(endpoint=server.origin, bucket="inbox", access_key="a", secret_key=SecretStr("s"))
        await watched(client, container).accept(WatchedFile(new_upload_id(), "film.mp4", 3, "old"), on_success)
    return [method for method, _condition in given.seen]


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (0, ["HEAD"]),
        (1, ["HEAD", "PUT"]),
        (2, ["HEAD", "PUT", "HEAD"]),
        (3, ["HEAD", "PUT", "HEAD", "DELETE"]),
        (9, ["HEAD", "PUT", "HEAD", "DELETE"]),
    ],
)
async def test_an_object_that_is_replaced_at_any_moment_is_neither_moved_nor_removed(
    client: GuardedClient, after: int, told: list[str]
) -> None:
    given = Overwritten(after)
    assert await cleared(client, given, "move") == told
    assert all(condition == '"old"' for method, condition in given.seen if method != "HEAD")


async def test_a_store_without_conditional_deletes_is_asked_without(client: GuardedClient) -> None:
    given = Overwritten(9, knows_conditional_deletes=False)
    assert await cleared(client, given, "delete") == ["HEAD", "DELETE", "DELETE"]


async def test_a_bucket_that_hangs_holds_up_no_other(
    database_dsn: str,
    store: ObjectStore,
    inbox: tuple[S3Store, S3Container],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bucket, container = inbox
    monkeypatch.setattr(jobs, "LOOK_SECONDS", 0.1)
    await drop(bucket, f"{PREFIX}film.mp4")
    async with serving(hangs) as hanging:
        away = S3Container.model_validate(container.model_dump() | {"endpoint": hanging.origin})
        folders = named(WatchedBucket(container=away)), named(WatchedBucket(container=container, prefix=PREFIX))
        async with watching(database_dsn, store, tmp_path, *folders) as watcher:
            assert await watcher.ended(1) == {"film.mp4": ["taken"]}
            await drop(bucket, f"{PREFIX}other.mp4")
            assert len(await watcher.ended(2)) == 2
        assert len(hanging.requests) == 1


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
        "read": (Bucket, "open"),
        "told": (FetchRepository, "record"),
        "accept": (Bucket, "accept"),
        "refuse": (Bucket, "refuse"),
    }[step]
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

"""What a program still writes in a watched directory: it is not taken before its end, and no byte of it is lost.

The steps are those of the watched directory; where the bytes go makes no difference to them.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from contracts.container import WatchedDirectory
from contracts.events import FetchRequested, WatchedFileFound
from libs.object_store.port import ObjectStore
from services.ingest.usecases import failure
from tests.integration.services.ingest.rig import until
from tests.integration.services.ingest.watched import Watcher, named, names_in, watching

DEMO = WatchedDirectory(path="demo")


@pytest.fixture
def place(tmp_path: Path) -> str:
    return str(tmp_path / "store")


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    (tmp_path / "watch/demo").mkdir(parents=True)
    return tmp_path / "watch/demo"


@pytest.fixture
def unknown_writers(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a mount of another machine."""
    monkeypatch.setattr("services.ingest.adapters.writers.LOCAL_FILE_SYSTEMS", frozenset())


@asynccontextmanager
async def taken(watcher: Watcher, demo: Path, content: bytes = b"first") -> AsyncIterator[WatchedFileFound]:
    """A file whose bytes have been read, and whose upload ends well after the block."""
    (demo / "film.mp4").write_bytes(content)
    [found] = await until(watcher.found)
    await watcher.rig.end(await watcher.ask(found))
    yield found
    await watcher.accept(found)


async def second_of(watcher: Watcher) -> WatchedFileFound:
    async def both() -> list[WatchedFileFound]:
        found = await watcher.found()
        return found if len(found) == 2 else []

    return (await until(both))[1]


async def content_of(watcher: Watcher, found: WatchedFileFound) -> bytes | None:
    await watcher.rig.end(await watcher.ask(found))
    return await watcher.content(found)


# ------------------------------------------------------------ where the kernel knows who writes


async def test_a_file_that_is_open_for_writing_is_not_taken_before_it_is_closed(
    database_dsn: str, store: ObjectStore, demo: Path
) -> None:
    # M-07
    async with watching(database_dsn, store, demo.parent, named(DEMO)) as watcher:
        with (demo / "slow.mp4").open("wb") as file:
            for number in range(2):
                file.write(b"x" * 1000)
                file.flush()
                (demo / f"{number}.mp4").write_bytes(b"content")  # settles later
                await watcher.ended(number + 1)
        assert set(await watcher.ended(3)) == {"0.mp4", "1.mp4", "slow.mp4"}
        [slow] = [found for found in await watcher.found() if found.file_name == "slow.mp4"]
        assert await watcher.content(slow) == b"x" * 2000
    assert names_in(demo) == []


@pytest.mark.parametrize("written", [b"", b", second"], ids=["as it was", "changed"])
async def test_a_file_that_is_opened_after_it_was_found_is_taken_when_it_is_closed(
    database_dsn: str, store: ObjectStore, demo: Path, monkeypatch: pytest.MonkeyPatch, written: bytes
) -> None:
    monkeypatch.setattr(failure, "BUSY_SECONDS", 0.05)
    (demo / "film.mp4").write_bytes(b"first")
    async with watching(database_dsn, store, demo.parent, named(DEMO), served=False) as watcher:
        [found] = await until(watcher.found)
        with (demo / "film.mp4").open("ab") as file:
            asked = await watcher.ask(found)
            await until(lambda: _was_postponed(watcher, asked))
            assert names_in(demo) == ["film.mp4"]
            file.write(written)
        serving = asyncio.create_task(watcher.serve())
        states = await watcher.ended(2 if written else 1)
        serving.cancel()
        await asyncio.wait({serving})
        assert states == {"film.mp4": ["kept", "taken"] if written else ["taken"]}
        assert await watcher.content((await watcher.found())[-1]) == b"first" + written
    assert names_in(demo) == []


async def _was_postponed(watcher: Watcher, asked: FetchRequested) -> bool:
    row = await watcher.rig.row(asked)
    return row["state"] == "open" and row["lease"] is None and row["next_at"] > row["created_at"]


@pytest.mark.parametrize("on_success", ["delete", "move"])
@pytest.mark.parametrize("written", [b"", b", second"], ids=["as it was", "changed"])
async def test_a_file_that_is_open_when_its_upload_ends_waits_for_its_writer(
    database_dsn: str, store: ObjectStore, demo: Path, on_success: str, written: bytes
) -> None:
    # M-07
    folder = named(DEMO, on_success=on_success)
    async with watching(database_dsn, store, demo.parent, folder, served=False) as watcher:
        async with taken(watcher, demo) as first:
            file = (demo / "film.mp4.lock").open("ab")
        await until(lambda: _attempts(watcher, 2))
        assert names_in(demo) == ["film.mp4.lock"]
        file.write(written)
        file.close()
        if written:
            second = await second_of(watcher)
            assert await content_of(watcher, second) == b"first, second"
            await watcher.accept(second)
        assert (await watcher.ended(1))["film.mp4"] == ["taken"] * len(await watcher.found())
        assert await watcher.content(first) == b"first"
    assert names_in(demo) == ([".done/film.mp4"] if on_success == "move" else [])


async def _attempts(watcher: Watcher, count: int) -> bool:
    return bool((await watcher.rows())[0]["attempts"] >= count)


# ------------------------------------------------------------ where nobody knows who writes


@pytest.mark.usefixtures("unknown_writers")
@pytest.mark.parametrize("on_success", ["delete", "move"])
async def test_what_is_written_after_the_upload_brings_the_file_back(
    database_dsn: str, store: ObjectStore, demo: Path, on_success: str
) -> None:
    # M-07
    folder = named(DEMO, on_success=on_success)
    settings = {"ingest_watch_settle_seconds": 0.3, "ingest_watch_grace_seconds": 3600}
    async with watching(database_dsn, store, demo.parent, folder, served=False, **settings) as watcher:
        with (demo / "film.mp4").open("ab") as file:
            file.write(b"first")
            file.flush()
            [first] = await until(watcher.found)
            assert await content_of(watcher, first) == b"first"
            await watcher.accept(first)
            await until(lambda: _is_aside(watcher))
            assert names_in(demo) == [".done/film.mp4"]
            file.write(b", second")
        second = await second_of(watcher)
        assert names_in(demo) == ["film.mp4"]
        assert await content_of(watcher, second) == b"first, second"


@pytest.mark.usefixtures("unknown_writers")
@pytest.mark.parametrize(("on_success", "left"), [("delete", []), ("move", [".done/film.mp4"])])
async def test_a_file_that_nobody_has_changed_is_deleted_when_its_grace_ends(
    database_dsn: str, store: ObjectStore, demo: Path, on_success: str, left: list[str]
) -> None:
    # M-07
    folder = named(DEMO, on_success=on_success)
    async with watching(database_dsn, store, demo.parent, folder, ingest_watch_grace_seconds=1.5) as watcher:
        (demo / "film.mp4").write_bytes(b"content")
        await until(lambda: _is_aside(watcher))
        assert names_in(demo) == [".done/film.mp4"]

        async def is_over() -> bool:
            return await watcher.states() == {"film.mp4": ["taken"]}

        await until(is_over)
        assert names_in(demo) == left
        assert len(await watcher.found()) == 1


@pytest.mark.usefixtures("unknown_writers")
async def test_a_new_file_of_the_name_is_taken_while_the_first_one_is_set_aside(
    database_dsn: str, store: ObjectStore, demo: Path
) -> None:
    async with watching(database_dsn, store, demo.parent, named(DEMO)) as watcher:
        (demo / "film.mp4").write_bytes(b"first")
        assert await watcher.ended(1) == {"film.mp4": ["aside"]}
        (demo / "film.mp4").write_bytes(b"second")
        assert await watcher.ended(2) == {"film.mp4": ["aside", "aside"]}
        assert [await watcher.content(found) for found in await watcher.found()] == [b"first", b"second"]
    assert sorted((demo / name).read_bytes() for name in names_in(demo)) == [b"first", b"second"]


async def _is_aside(watcher: Watcher) -> bool:
    rows: list[dict[str, Any]] = await watcher.rows()
    return bool(rows) and rows[0]["state"] == "aside"

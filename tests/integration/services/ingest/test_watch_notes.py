"""Error notes in a watched directory: when they come, when they go, and that they are nobody else's files.

The steps are those of the watched directory; where the bytes go makes no difference to them.
"""

import os
from pathlib import Path

import pytest

from contracts.container import WatchedDirectory
from libs.object_store.port import ObjectStore
from services.ingest.domain.watch import error_note
from tests.integration.services.ingest.rig import until
from tests.integration.services.ingest.watched import named, names_in, watching

DEMO = WatchedDirectory(path="demo")
NOTE = "film.mp4.error.txt"


@pytest.fixture
def place(tmp_path: Path) -> str:
    return str(tmp_path / "store")


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    (tmp_path / "watch/demo").mkdir(parents=True)
    return tmp_path / "watch/demo"


async def test_an_empty_file_waits_until_it_is_filled(database_dsn: str, store: ObjectStore, demo: Path) -> None:
    # M-07
    (demo / "film.mp4").touch()
    async with watching(database_dsn, store, demo.parent, named(DEMO)) as watcher:
        (demo / "other.mp4").write_bytes(b"content")  # settles later
        assert await watcher.ended(1) == {"other.mp4": ["taken"]}
        assert names_in(demo) == ["film.mp4"]
        (demo / "film.mp4").write_bytes(b"content")
        assert await watcher.ended(2) == {"film.mp4": ["taken"], "other.mp4": ["taken"]}
    assert names_in(demo) == []


async def test_a_file_that_stays_empty_gets_a_note_that_goes_when_it_is_filled(
    database_dsn: str, store: ObjectStore, demo: Path
) -> None:
    # M-07
    (demo / "film.mp4").touch()
    async with watching(database_dsn, store, demo.parent, named(DEMO), ingest_watch_empty_seconds=0.5) as watcher:
        assert await watcher.ended(1) == {"film.mp4": ["kept"]}
        assert (demo / NOTE).read_text().startswith("fetch_empty: ")
        assert await watcher.found() == []  # nobody sees an upload

        (demo / NOTE).unlink()
        assert await watcher.ended(2) == {"film.mp4": ["kept", "kept"]}
        assert names_in(demo) == ["film.mp4", NOTE]

        (demo / "film.mp4").write_bytes(b"content")
        assert await watcher.ended(3) == {"film.mp4": ["kept", "kept", "taken"]}
    assert names_in(demo) == []


async def test_a_file_that_was_never_read_is_taken_again_without_its_note(
    database_dsn: str, store: ObjectStore, demo: Path
) -> None:
    # M-07: the file is as it was, only the limit has changed
    (demo / "film.mp4").write_bytes(b"content")
    async with watching(database_dsn, store, demo.parent, named(DEMO)) as watcher:
        watcher.max_size_bytes = 1
        assert await watcher.ended(1) == {"film.mp4": ["kept"]}
        watcher.max_size_bytes = 1000
        (demo / NOTE).unlink()
        assert await watcher.ended(2) == {"film.mp4": ["kept", "taken"]}
        assert len({found.file_id for found in await watcher.found()}) == 2
    assert names_in(demo) == []


async def test_the_note_of_a_file_that_was_removed_goes(database_dsn: str, store: ObjectStore, demo: Path) -> None:
    # M-07: a browser that begins with an empty file, and whose user gives up
    (demo / "film.mp4").touch()
    (demo / "else.mp4.error.txt").write_bytes(error_note("infected: Eicar"))  # of a file that was never here
    async with watching(database_dsn, store, demo.parent, named(DEMO), ingest_watch_empty_seconds=0.3) as watcher:
        await watcher.ended(1)
        (demo / "film.mp4").unlink()

        async def is_alone() -> bool:
            return names_in(demo) == ["else.mp4.error.txt"]

        await until(is_alone)


async def test_a_file_of_somebody_else_that_is_called_like_a_note_stays(
    database_dsn: str, store: ObjectStore, demo: Path
) -> None:
    (demo / NOTE).write_text("what went wrong in the film\n")
    os.utime(demo / NOTE, (1, 1))
    (demo / "film.mp4").write_bytes(b"content")
    async with watching(database_dsn, store, demo.parent, named(DEMO)) as watcher:
        assert await watcher.ended(1) == {"film.mp4": ["taken"]}
        assert names_in(demo) == [NOTE]

        watcher.refuses.add("film.mp4")
        (demo / "film.mp4").write_bytes(b"content")

        async def is_tried_again() -> bool:
            return bool((await watcher.rows())[-1]["attempts"] >= 2)

        await until(is_tried_again)
        assert (demo / NOTE).read_text() == "what went wrong in the film\n"
        (demo / NOTE).unlink()
        assert await watcher.ended(2) == {"film.mp4": ["taken", "kept"]}
    assert (demo / NOTE).read_text().startswith("infected: Eicar\n")


async def test_the_note_of_a_file_with_another_name_goes_with_it(database_dsn: str, store: ObjectStore, demo: Path) -> None:
    """Its name was so long that the note is called otherwise."""
    name = "ä" * 124 + ".mp4"
    (demo / name).write_bytes(b"content")
    async with watching(database_dsn, store, demo.parent, named(DEMO)) as watcher:
        watcher.refuses.add(name)
        assert await watcher.ended(1) == {name: ["kept"]}
        assert len(names_in(demo)) == 2
        watcher.refuses.clear()
        (demo / name).write_bytes(b"repaired")
        assert await watcher.ended(2) == {name: ["kept", "taken"]}
    assert names_in(demo) == []

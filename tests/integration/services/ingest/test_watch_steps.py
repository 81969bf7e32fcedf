"""kill -9 at every step between a file's coming and its going: it becomes one upload, and nothing of it is lost.

The steps are those of the watched folder; where the bytes go makes no difference to them.
"""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from contracts.ids import new_upload_id
from libs.object_store.port import ObjectStore
from services.ingest.adapters.directory import Directory
from services.ingest.domain.ignored_name import IgnoredNames
from services.ingest.domain.watch import WatchedFile, error_note
from tests.integration.services.ingest.rig import until
from tests.integration.services.ingest.watched import names_in, others, worker


@pytest.fixture
def place(tmp_path: Path) -> str:
    return str(tmp_path / "store")


STEPS = ("link 1", "unlink 1", "read 1", "link 2", "unlink 2", "rename 1")
"""The first link and unlink give the file its `.lock` name, the second ones take it away; the rename writes the reason."""
CALLS = [f"{step} {when}" for step in STEPS for when in ("before", "after")]


@pytest.mark.parametrize(
    ("call", "refused"), [(call, refused) for call in CALLS for refused in (False, True) if refused or "rename" not in call]
)
async def test_a_worker_that_is_killed_at_a_step_loses_and_repeats_nothing(
    database_dsn: str, place: str, store: ObjectStore, tmp_path: Path, call: str, refused: bool
) -> None:
    # M-07
    demo = tmp_path / "watch/demo"
    demo.mkdir(parents=True)
    (demo / "film.mp4").write_bytes(b"content")
    async with others(database_dsn, store, tmp_path / "watch", on_success="move") as watcher:
        if refused:
            watcher.refuses.add("film.mp4")
        async with worker(database_dsn, place, tmp_path / "watch", call) as first:
            assert await asyncio.to_thread(first.wait, 60) == -signal.SIGKILL
        async with worker(database_dsn, place, tmp_path / "watch"):
            assert await watcher.ended(1) == {"film.mp4": ["kept" if refused else "taken"]}
            [found] = await watcher.found()
            assert await watcher.content(found) == b"content"
            (demo / "last.mp4").write_bytes(b"last")
            assert len(await watcher.ended(2)) == 2
    kept = ["film.mp4", "film.mp4.error.txt"] if refused else [".done/film.mp4"]
    assert names_in(demo) == sorted([".done/last.mp4", *kept])


@pytest.mark.parametrize("call", ["unlink 2 after", "unlink 3 after"])
async def test_a_worker_that_is_killed_before_it_has_deleted_the_note_leaves_none(
    database_dsn: str, place: str, store: ObjectStore, tmp_path: Path, call: str
) -> None:
    # M-07: the second unlink removes the file, the third one the note
    demo = tmp_path / "watch/demo"
    demo.mkdir(parents=True)
    (demo / "film.mp4.error.txt").write_bytes(error_note("infected: Eicar"))
    os.utime(demo / "film.mp4.error.txt", (1, 1))
    (demo / "film.mp4").write_bytes(b"content")
    async with others(database_dsn, store, tmp_path / "watch") as watcher:
        async with worker(database_dsn, place, tmp_path / "watch", call) as first:
            assert await asyncio.to_thread(first.wait, 60) == -signal.SIGKILL
        async with worker(database_dsn, place, tmp_path / "watch"):
            assert await watcher.ended(1) == {"film.mp4": ["taken"]}
    assert names_in(demo) == []


@pytest.mark.parametrize("call", ["rename 1 before", "rename 1 after"])
async def test_a_worker_that_is_killed_at_the_note_of_an_empty_file_writes_it_once(
    database_dsn: str, place: str, store: ObjectStore, tmp_path: Path, call: str
) -> None:
    # M-07
    demo = tmp_path / "watch/demo"
    demo.mkdir(parents=True)
    (demo / "film.mp4").touch()
    async with others(database_dsn, store, tmp_path / "watch") as watcher:
        async with worker(database_dsn, place, tmp_path / "watch", call, ingest_watch_empty_seconds=0.3) as first:
            assert await asyncio.to_thread(first.wait, 60) == -signal.SIGKILL
        async with worker(database_dsn, place, tmp_path / "watch", ingest_watch_empty_seconds=0.3):
            assert await watcher.ended(1) == {"film.mp4": ["kept"]}
            (demo / "last.mp4").write_bytes(b"last")
            assert await watcher.ended(2) == {"film.mp4": ["kept"], "last.mp4": ["taken"]}
    assert names_in(demo) == ["film.mp4", "film.mp4.error.txt"]


@pytest.mark.parametrize(
    ("call", "written"),
    [("unlink 2 after", b""), ("unlink 3 after", b""), ("link 3 after", b", second"), ("unlink 3 after", b", second")],
)
async def test_a_worker_that_is_killed_while_a_file_is_set_aside_loses_and_repeats_nothing(
    database_dsn: str, place: str, store: ObjectStore, tmp_path: Path, call: str, written: bytes
) -> None:
    # M-07: the second link and unlink set the file aside, the third ones bring it back, or the third unlink removes it
    demo = tmp_path / "watch/demo"
    demo.mkdir(parents=True)
    settings = {"ingest_watch_grace_seconds": 3600 if written else 1}
    async with others(database_dsn, store, tmp_path / "watch") as watcher:
        with (demo / "film.mp4").open("ab") as file:
            file.write(b"first")
            file.flush()
            async with worker(database_dsn, place, tmp_path / "watch", "unknown writers", call, **settings) as first:
                if written:

                    async def is_aside() -> bool:
                        return (demo / ".done/film.mp4").exists() and await watcher.states() == {"film.mp4": ["aside"]}

                    await until(is_aside)
                    file.write(written)
                    file.close()
                assert await asyncio.to_thread(first.wait, 60) == -signal.SIGKILL
        async with worker(database_dsn, place, tmp_path / "watch", "unknown writers", ingest_watch_grace_seconds=1):
            count = 2 if written else 1

            async def is_over() -> bool:
                return await watcher.states() == {"film.mp4": ["taken"] * count}

            await until(is_over)
        assert [await watcher.content(found) for found in await watcher.found()] == [b"first", b"first, second"][:count]
    assert names_in(demo) == []


async def test_a_file_that_a_killed_worker_brought_back_is_not_brought_back_twice(tmp_path: Path) -> None:
    # M-07: killed between the third link and the third unlink, and the file was taken by its new name meanwhile
    demo = tmp_path / "demo"
    (demo / ".done").mkdir(parents=True)
    (demo / ".done/film.mp4").write_bytes(b"first, second")
    (demo / "film.mp4.lock").hardlink_to(demo / ".done/film.mp4")
    directory = Directory(tmp_path, "demo", IgnoredNames())
    set_aside = WatchedFile(new_upload_id(), "film.mp4", 5, "of the first bytes")
    assert await directory.recheck(set_aside, ".done/film.mp4", remove=False)
    assert names_in(demo) == ["film.mp4.lock"]

"""Files of a watched directory become uploads: each once, whatever happens meanwhile."""

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from contracts.container import WatchedDirectory
from contracts.events import WatchedFileFound
from libs.object_store.port import ObjectStore
from services.ingest.adapters.directory import Directory
from services.ingest.adapters.place import Survey
from services.ingest.domain.ignored_name import IgnoredNames
from services.ingest.domain.watch import Sighting, WatchFolder
from services.ingest.usecases.repository import FetchRepository
from services.ingest.usecases.watching import Clearing, Finding
from tests.integration.services.ingest.rig import TENANT, until
from tests.integration.services.ingest.watched import named, names_in, watching

DEMO = WatchedDirectory(path="demo")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "watch"


@pytest.fixture
def demo(root: Path) -> Path:
    (root / "demo").mkdir(parents=True)
    return root / "demo"


def drop(folder: Path, path: str, content: bytes = b"content") -> Path:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


async def test_a_file_becomes_an_upload_once_and_goes(database_dsn: str, store: ObjectStore, root: Path, demo: Path) -> None:
    # M-07
    drop(demo, "101_My clips/film.mp4", b"x" * 3_000_000)
    async with watching(database_dsn, store, root, named(DEMO)) as watcher:
        assert await watcher.ended(1) == {"101_My clips/film.mp4": ["taken"]}
        [found] = await watcher.found()
        assert (found.file_name, found.folder_id, found.folder_label) == ("film.mp4", "101", "My clips")
        assert (found.size_bytes, await watcher.content(found)) == (3_000_000, b"x" * 3_000_000)
        info = await watcher.rig.stored(await watcher.ask(found))
        assert info is not None
        assert info[0].content_type == "video/mp4"
    assert names_in(demo) == []


async def test_a_file_beyond_the_limit_is_not_even_copied(
    database_dsn: str, store: ObjectStore, root: Path, demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # M-07
    read: list[str] = []
    open_file = Directory.open

    def opened(place: Directory, file: Any) -> Any:
        read.append(file.name)
        return open_file(place, file)

    monkeypatch.setattr(Directory, "open", opened)
    async with watching(database_dsn, store, root, named(DEMO)) as watcher:
        watcher.max_size_bytes = 10
        drop(demo, "large.mp4", b"x" * 11)
        drop(demo, "small.mp4", b"x" * 10)
        assert await watcher.ended(2) == {"large.mp4": ["kept"], "small.mp4": ["taken"]}
    assert read == ["small.mp4"]
    assert "large.mp4" in names_in(demo)


async def test_the_folder_is_made_where_it_is_missing(database_dsn: str, store: ObjectStore, root: Path) -> None:
    # M-07
    async with watching(database_dsn, store, root, named(WatchedDirectory(path="a/b"))) as watcher:

        async def made() -> bool:
            return (root / "a/b").is_dir()

        await until(made)
        drop(root / "a/b", "film.mp4")
        assert await watcher.ended(1) == {"film.mp4": ["taken"]}


async def test_changes_are_noticed_without_polling(database_dsn: str, store: ObjectStore, root: Path, demo: Path) -> None:
    # M-07: inotify, also in folders that are made later
    async with watching(database_dsn, store, root, named(DEMO), ingest_watch_poll_seconds=3600) as watcher:
        drop(demo, "first.mp4")
        await watcher.ended(1)
        drop(demo, "7_New/second.mp4")
        await watcher.ended(2)
        drop(demo, "7_New/third.mp4")
        assert set(await watcher.ended(3)) == {"first.mp4", "7_New/second.mp4", "7_New/third.mp4"}


async def test_a_folder_that_is_removed_and_made_again_is_watched_again(
    database_dsn: str, store: ObjectStore, root: Path, demo: Path
) -> None:
    # M-07
    async with watching(database_dsn, store, root, named(DEMO), ingest_watch_poll_seconds=3600) as watcher:
        drop(demo, "7_New/first.mp4")
        await watcher.ended(1)
        shutil.rmtree(demo)
        await until(lambda: _is_there(demo))  # ingest makes it
        drop(demo, "7_New/second.mp4")
        assert set(await watcher.ended(2)) == {"7_New/first.mp4", "7_New/second.mp4"}


async def _is_there(folder: Path) -> bool:
    return folder.is_dir()


async def test_polling_finds_what_nothing_tells_of(
    database_dsn: str, store: ObjectStore, root: Path, demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # M-07
    def refuses(*_paths: Path, **_options: Any) -> Any:
        raise OSError(28, "no watches are left")

    monkeypatch.setattr("services.ingest.adapters.changes.watch", refuses)
    async with watching(database_dsn, store, root, named(DEMO)) as watcher:
        drop(demo, "first.mp4")
        await watcher.ended(1)
        drop(demo, "7_New/second.mp4")
        assert set(await watcher.ended(2)) == {"first.mp4", "7_New/second.mp4"}


async def test_a_file_that_is_still_written_waits(database_dsn: str, store: ObjectStore, root: Path, demo: Path) -> None:
    # M-07, part 2.1: only files that nobody has touched for a while
    async with watching(database_dsn, store, root, named(DEMO), ingest_watch_settle_seconds=3) as watcher:
        with (demo / "film.mp4").open("wb") as file:
            for _ in range(20):
                file.write(b"x" * 1000)
                file.flush()
                await asyncio.sleep(0.25)  # somebody's slow copy
                assert await watcher.found() == []
        assert await watcher.ended(1) == {"film.mp4": ["taken"]}
        [found] = await watcher.found()
        assert await watcher.content(found) == b"x" * 20_000


async def test_a_clock_that_is_ahead_delays_nothing_for_long(
    database_dsn: str, store: ObjectStore, root: Path, demo: Path
) -> None:
    file = drop(demo, "film.mp4")
    os.utime(file, (2**32, 2**32))
    async with watching(database_dsn, store, root, named(DEMO)) as watcher:
        watcher.refuses.add("film.mp4")
        assert await watcher.ended(1) == {"film.mp4": ["kept"]}
        drop(demo, "other.mp4")
        assert await watcher.ended(2) == {"film.mp4": ["kept"], "other.mp4": ["taken"]}


async def test_ignored_and_linked_files_are_left_alone(
    database_dsn: str, store: ObjectStore, root: Path, demo: Path, tmp_path: Path
) -> None:
    # M-07
    secret = drop(tmp_path / "outside", "secret.mp4")
    for name in (
        ".hidden", ".cache/film.mp4", "film.mp4.part", "film.mp4.lock", "old.mp4.error.txt", "film.tmp", "101_Clips/Thumbs.db",
        "101_Clips/@eaDir/film.mp4/SYNOPHOTO_THUMB_M.jpg", "#recycle/old.mp4", "$RECYCLE.BIN/$R1.mp4", "Proxies/film.mp4",
    ):  # fmt: skip
        drop(demo, name)
    (demo / "link.mp4").symlink_to(secret)
    (demo / "folder").symlink_to(secret.parent)
    os.mkfifo(demo / "pipe.mp4")
    before = names_in(demo)
    async with watching(database_dsn, store, root, named(DEMO), ingest_watch_ignore="*.xmp,proxies") as watcher:
        drop(demo, "film2.mp4")
        assert await watcher.ended(1) == {"film2.mp4": ["taken"]}
    assert names_in(demo) == before
    assert secret.read_bytes() == b"content"


async def test_while_its_bytes_are_read_a_file_is_called_lock(
    database_dsn: str, store: ObjectStore, root: Path, demo: Path
) -> None:
    # M-07, part 2.1
    drop(demo, "film.mp4")
    async with watching(database_dsn, store, root, named(DEMO), served=False) as watcher:
        [found] = await until(watcher.found)
        assert names_in(demo) == ["film.mp4"]
        await watcher.rig.end(await watcher.ask(found))
        assert names_in(demo) == ["film.mp4.lock"]
        await watcher.accept(found)
        await watcher.ended(1)
    assert names_in(demo) == []


async def test_an_upload_can_move_its_file_instead(database_dsn: str, store: ObjectStore, root: Path, demo: Path) -> None:
    # M-07: remove or move
    drop(demo, "101_Clips/film.mp4", b"one")
    async with watching(database_dsn, store, root, named(DEMO, on_success="move")) as watcher:
        await watcher.ended(1)
        assert names_in(demo) == [".done/101_Clips/film.mp4"]
        drop(demo, "101_Clips/film.mp4", b"another")
        assert await watcher.ended(2) == {"101_Clips/film.mp4": ["taken", "taken"]}
    one, other = sorted(names_in(demo), key=len)
    assert one == ".done/101_Clips/film.mp4"
    assert other.startswith(".done/101_Clips/film.")
    assert ((demo / one).read_bytes(), (demo / other).read_bytes()) == (b"one", b"another")


async def test_a_refused_file_stays_with_the_reason(database_dsn: str, store: ObjectStore, root: Path, demo: Path) -> None:
    # M-07: on failure its name back, and the reason beside it
    drop(demo, "film.mp4")
    async with watching(database_dsn, store, root, named(DEMO)) as watcher:
        watcher.refuses.add("film.mp4")
        assert await watcher.ended(1) == {"film.mp4": ["kept"]}
        assert names_in(demo) == ["film.mp4", "film.mp4.error.txt"]
        assert (demo / "film.mp4.error.txt").read_text().startswith("infected: Eicar\n")

        # Other files go on; this one is left alone until somebody changes it
        drop(demo, "other.mp4")
        assert await watcher.ended(2) == {"film.mp4": ["kept"], "other.mp4": ["taken"]}
        watcher.refuses.clear()
        drop(demo, "film.mp4", b"repaired")
        assert await watcher.ended(3) == {"film.mp4": ["kept", "taken"], "other.mp4": ["taken"]}
    assert names_in(demo) == []


async def test_a_refused_file_is_taken_again_without_its_reason(
    database_dsn: str, store: ObjectStore, root: Path, demo: Path
) -> None:
    drop(demo, "film.mp4")
    async with watching(database_dsn, store, root, named(DEMO)) as watcher:
        watcher.refuses.add("film.mp4")
        await watcher.ended(1)
        watcher.refuses.clear()
        (demo / "film.mp4.error.txt").unlink()
        assert await watcher.ended(2) == {"film.mp4": ["kept", "taken"]}
    assert names_in(demo) == []


async def test_a_new_file_of_the_same_name_is_not_lost(database_dsn: str, store: ObjectStore, root: Path, demo: Path) -> None:
    # Given a file whose bytes are on their way
    drop(demo, "film.mp4", b"first")
    async with watching(database_dsn, store, root, named(DEMO), served=False) as watcher:
        [first] = await until(watcher.found)
        await watcher.rig.end(await watcher.ask(first))

        # When another one comes under its name, and the first is refused
        drop(demo, "film.mp4", b"second")
        await watcher.refuse(first)

        # Then both are there, and only the second is taken
        async def both() -> list[WatchedFileFound]:
            found = await watcher.found()
            return found if len(found) == 2 else []

        _, second = await until(both)
        await watcher.rig.end(await watcher.ask(second))
        assert await watcher.content(second) == b"second"
        await watcher.accept(second)
        await watcher.ended(2)
        kept = f"film.{first.file_id.hex[:8]}.mp4"
        assert names_in(demo) == [kept, f"{kept}.error.txt"]
        assert (demo / kept).read_bytes() == b"first"


async def test_a_refused_file_has_no_name_without_its_reason(
    database_dsn: str, store: ObjectStore, root: Path, demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow disk must not make it a new file meanwhile."""
    drop(demo, "film.mp4", b"first")
    while_writing: list[list[str]] = []

    def fsync(_descriptor: int) -> None:
        if ".film.mp4.draft" in (names := names_in(demo)):
            while_writing.append(names)

    async with watching(database_dsn, store, root, named(DEMO), served=False) as watcher:
        [first] = await until(watcher.found)
        await watcher.rig.end(await watcher.ask(first))
        drop(demo, "film.mp4", b"second")
        monkeypatch.setattr(os, "fsync", fsync)
        await watcher.refuse(first)

        async def kept() -> bool:
            return (await watcher.states())["film.mp4"][0] == "kept"

        await until(kept)
    assert while_writing == [[".film.mp4.draft", "film.mp4", "film.mp4.lock"]]


async def test_what_a_slow_look_has_seen_is_as_old_as_the_look(
    database_dsn: str, store: ObjectStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a mount that hangs: nobody knows how long the file has been as it was seen."""
    now = 1000.0

    class SlowPlace:
        async def survey(self) -> Survey:
            nonlocal now
            now += 3600
            return Survey([Sighting("film.mp4", 1, "version", changed_at=1001.0)], frozenset())

    monkeypatch.setattr("services.ingest.usecases.watching.time", SimpleNamespace(time=lambda: now))
    places: Any = SimpleNamespace(of=lambda _folder: SlowPlace())
    folder = WatchFolder(uuid4(), TENANT, "directory", "delete", "sealed")
    async with watching(database_dsn, store, root, served=False) as watcher:
        seen = await Finding(watcher.rig.service.outbox, places, settle_seconds=60, empty_seconds=60).look(folder)
        assert await watcher.found() == []
    assert seen.settled_in == 60


async def test_a_file_that_is_changed_before_its_bytes_are_read_is_found_again(
    database_dsn: str, store: ObjectStore, root: Path, demo: Path
) -> None:
    drop(demo, "film.mp4", b"first")
    async with watching(database_dsn, store, root, named(DEMO), served=False) as watcher:
        [first] = await until(watcher.found)
        drop(demo, "film.mp4", b"second")
        asyncio.create_task(watcher.serve()).add_done_callback(lambda task: task.cancelled() or task.exception())
        assert await watcher.ended(2) == {"film.mp4": ["kept", "taken"]}
        second = [found for found in await watcher.found() if found.file_id != first.file_id]
        assert await watcher.content(second[0]) == b"second"
    assert names_in(demo) == []


async def test_bytes_that_come_after_the_reading_are_not_lost(
    database_dsn: str, store: ObjectStore, root: Path, demo: Path
) -> None:
    # M-07
    drop(demo, "film.mp4", b"first")
    async with watching(database_dsn, store, root, named(DEMO), served=False) as watcher:
        [first] = await until(watcher.found)
        await watcher.rig.end(await watcher.ask(first))
        with (demo / "film.mp4.lock").open("ab") as file:
            file.write(b", second")
        await watcher.accept(first)

        async def again() -> list[WatchedFileFound]:
            return [found for found in await watcher.found() if found.file_id != first.file_id]

        [second] = await until(again)
        await watcher.rig.end(await watcher.ask(second))
        assert await watcher.content(second) == b"first, second"


async def test_a_file_that_went_before_its_bytes_were_read_leaves_nothing(
    database_dsn: str, store: ObjectStore, root: Path, demo: Path
) -> None:
    file = drop(demo, "film.mp4")
    async with watching(database_dsn, store, root, named(DEMO), served=False) as watcher:
        await until(watcher.found)
        file.unlink()
        serving = asyncio.create_task(watcher.serve())
        assert await watcher.ended(1) == {"film.mp4": ["kept"]}
        serving.cancel()
        await asyncio.wait({serving})
    assert names_in(demo) == []


async def test_a_folder_that_is_removed_is_watched_no_longer(
    database_dsn: str, store: ObjectStore, root: Path, demo: Path
) -> None:
    # What was found before comes to its end
    folder, other = named(DEMO), named(WatchedDirectory(path="other"))
    drop(demo, "film.mp4")
    async with watching(database_dsn, store, root, folder, other, served=False) as watcher:
        [found] = await until(watcher.found)
        gone = folder.model_copy(update={"revision": 2, "removed": True, "settings_encrypted": "x"})
        await watcher.rig.hear(gone, folder)
        drop(demo, "late.mp4")
        drop(root / "other", "other.mp4")
        serving = asyncio.create_task(watcher.serve())
        assert await watcher.ended(2) == {"film.mp4": ["taken"], "other.mp4": ["taken"]}
        assert found in await watcher.found()
        serving.cancel()
        await asyncio.wait({serving})
    assert names_in(demo) == ["late.mp4"]


# ------------------------------------------------------------ interruptions


async def test_replicas_that_see_the_same_folder_take_each_file_once(
    database_dsn: str, store: ObjectStore, root: Path, demo: Path
) -> None:
    # M-07: two ingest replicas
    folder = named(DEMO)
    async with (
        watching(database_dsn, store, root, folder) as watcher,
        watching(database_dsn, store, root, served=False),
        watching(database_dsn, store, root, served=False),
    ):
        for number in range(30):
            drop(demo, f"{number}.mp4", str(number).encode())
        states = await watcher.ended(30)
        assert states == {f"{number}.mp4": ["taken"] for number in range(30)}
        found = await watcher.found()
        assert len(found) == 30
        contents = {event.file_name: await watcher.content(event) for event in found}
        assert contents == {f"{number}.mp4": str(number).encode() for number in range(30)}
    assert names_in(demo) == []


Step = tuple[Any, str]

STEPS: dict[str, Step] = {
    "before the file gets its lock": (os, "link"),
    "after the lock, with both names": (os, "unlink"),
    "before its bytes are read": (os, "read"),
    "after its bytes are stored": (FetchRepository, "record"),
}


@pytest.mark.parametrize("step", STEPS)
async def test_a_worker_that_dies_in_the_middle_loses_and_repeats_nothing(
    database_dsn: str, store: ObjectStore, root: Path, demo: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    # M-07: over restarts
    drop(demo, "film.mp4")
    folder = named(DEMO)
    owner, name = STEPS[step]
    with monkeypatch.context() as patched:
        reached = _dies_at(patched, owner, name)
        async with watching(database_dsn, store, root, folder) as watcher:
            await until(reached)
    async with watching(database_dsn, store, root) as watcher:
        assert await watcher.ended(1) == {"film.mp4": ["taken"]}
        [found] = await watcher.found()
        assert await watcher.content(found) == b"content"
    assert names_in(demo) == []


@pytest.mark.parametrize("refused", [False, True], ids=["accepted", "refused"])
@pytest.mark.parametrize("name", ["link", "unlink", "rename", "cleared"])
async def test_clearing_that_is_interrupted_is_begun_again(
    database_dsn: str, store: ObjectStore, root: Path, demo: Path, monkeypatch: pytest.MonkeyPatch, name: str, refused: bool
) -> None:
    # M-07: over restarts
    drop(demo, "film.mp4")
    folder = named(DEMO, on_success="move")
    async with watching(database_dsn, store, root, folder, served=False) as watcher:
        [found] = await until(watcher.found)
        await watcher.rig.end(await watcher.ask(found))
        with monkeypatch.context() as patched:
            owner, step = (Clearing, "_clear") if name == "cleared" else (os, name)
            reached = _dies_at(patched, owner, step, after=name == "cleared")
            await (watcher.refuse(found) if refused else watcher.accept(found))
            if name != "rename" or refused:
                await until(reached)
        assert set(await watcher.ended(1)) == {"film.mp4"}
    assert names_in(demo) == (["film.mp4", "film.mp4.error.txt"] if refused else [".done/film.mp4"])
    assert len(await _all_found(database_dsn, store, root)) == 1


async def _all_found(dsn: str, store: ObjectStore, root: Path) -> list[WatchedFileFound]:
    """After another look by a service that has just started."""
    async with watching(dsn, store, root, served=False) as watcher:
        drop(root / "demo", "last.mp4")

        async def last() -> bool:
            return any(found.file_name == "last.mp4" for found in await watcher.found())

        await until(last)
        return [found for found in await watcher.found() if found.file_name != "last.mp4"]


def _dies_at(patched: pytest.MonkeyPatch, owner: Any, name: str, *, after: bool = False) -> Callable[[], Any]:
    """The first call of it fails as if there were no time left for it; answers whether that has happened."""
    original = getattr(owner, name)
    calls: list[str] = []

    def dies(*args: Any, **kwargs: Any) -> Any:
        calls.append(name)
        if len(calls) > 1:
            return original(*args, **kwargs)
        if asyncio.iscoroutinefunction(original):
            return _ends(original(*args, **kwargs) if after else None)
        raise OSError(5, "interrupted")

    patched.setattr(owner, name, dies)

    async def reached() -> bool:
        return bool(calls)

    return reached


async def _ends(first: Any) -> None:
    if first is not None:
        await first
    raise OSError(5, "interrupted")


async def test_paths_stay_inside(tmp_path: Path) -> None:
    """Whatever the database says."""
    from contracts.ids import new_upload_id
    from services.ingest.domain.error import FetchError
    from services.ingest.domain.watch import WatchedFile

    outside = drop(tmp_path / "outside", "film.mp4")
    place = Directory(tmp_path / "watch", "demo", IgnoredNames())
    await place.survey()
    (tmp_path / "watch/demo/sub").symlink_to(outside.parent)
    (tmp_path / "watch/demo/link.mp4").symlink_to(outside)
    for path in ("sub/film.mp4", "link.mp4"):
        file = WatchedFile(new_upload_id(), path, 7, str(outside.stat().st_mtime_ns))
        with pytest.raises(FetchError):
            async with place.open(file) as chunks:
                await anext(chunks)
        await place.accept(file, "delete")
        await place.refuse(file, "x")
    assert outside.read_bytes() == b"content"
    assert names_in(outside.parent) == ["film.mp4"]

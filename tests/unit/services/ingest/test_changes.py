"""Notifications of the kernel: told, lost, and told again by themselves."""

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import watchfiles

from services.ingest.adapters import changes as changes_module
from services.ingest.adapters.changes import Changes
from services.ingest.adapters.place import LocalDirectory


class Told:
    """How often it was told that something has changed."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1

    async def more_than(self, count: int) -> None:
        async with asyncio.timeout(60):
            while self.count <= count:
                await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes_module, "FIRST_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(changes_module, "ARMED_MILLISECONDS", 50)
    monkeypatch.setattr(changes_module, "QUIET_MILLISECONDS", 10)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest_asyncio.fixture
async def changes(told: Told) -> AsyncIterator[Changes]:
    opened = Changes(told)
    await opened.open()
    yield opened
    await opened.close()


def directory(path: Path, inode: int = 1) -> frozenset[LocalDirectory]:
    path.mkdir(exist_ok=True)
    return frozenset({LocalDirectory(path, 1, inode)})


async def is_told_of_files(told: Told, path: Path) -> None:
    """Returns when files in the directory are told of: those that come before its watch is set again may not be."""
    before = told.count
    async with asyncio.timeout(60):
        for number in range(10_000):
            (path / f"{number}.mp4").touch()
            await asyncio.sleep(0.1)
            if told.count > before + 1:  # once may be the setting of the watch
                return


async def test_what_changes_is_told_and_what_changed_before(changes: Changes, told: Told, tmp_path: Path) -> None:
    # M-07
    changes.watch(directory(tmp_path / "demo"))
    await told.more_than(0)
    before = told.count
    (tmp_path / "demo/film.mp4").touch()
    await told.more_than(before)


async def _remove(demo: Path) -> None:
    shutil.rmtree(demo)


async def _move_away(demo: Path) -> None:
    demo.rename(demo.with_name("old"))


@pytest.mark.parametrize("take_away", [_remove, _move_away])
async def test_a_directory_that_went_away_and_came_again_is_watched_again(
    changes: Changes, told: Told, tmp_path: Path, take_away: Callable[[Path], Any]
) -> None:
    # M-07
    demo = tmp_path / "demo"
    changes.watch(directory(demo))
    await told.more_than(0)
    before = told.count
    await take_away(demo)
    await told.more_than(before)
    demo.mkdir()
    await is_told_of_files(told, demo)


async def test_another_directory_at_the_same_path_is_watched_instead(changes: Changes, told: Told, tmp_path: Path) -> None:
    """Of a file system that was mounted there nobody tells."""
    changes.watch(directory(tmp_path / "demo"))
    await told.more_than(0)
    before = told.count
    changes.watch(directory(tmp_path / "demo"))
    changes.watch(directory(tmp_path / "demo", inode=2))
    await told.more_than(before)


async def test_a_kernel_without_free_watches_is_asked_again(
    changes: Changes, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # M-07
    refused: list[int] = []

    def watch(*paths: Path, **options: Any) -> Iterator[Any]:
        if len(refused) < 3:
            refused.append(1)
            raise OSError(28, "No space left on device")
        yield from watchfiles.watch(*paths, **options)

    monkeypatch.setattr(changes_module, "watch", watch)
    changes.watch(directory(tmp_path / "demo"))
    await told.more_than(0)
    assert len(refused) == 3
    await is_told_of_files(told, tmp_path / "demo")


async def test_a_mount_that_hangs_holds_up_nothing_but_notifications(
    changes: Changes, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()
    asked = threading.Event()

    def watch(*paths: Path, **options: Any) -> Iterator[Any]:
        asked.set()
        answers.wait()
        yield from watchfiles.watch(*paths, **options)

    monkeypatch.setattr(changes_module, "watch", watch)
    changes.watch(directory(tmp_path / "demo"))
    await asyncio.to_thread(asked.wait)
    changes.watch(directory(tmp_path / "other"))
    answers.set()
    await told.more_than(0)
    await is_told_of_files(told, tmp_path / "other")

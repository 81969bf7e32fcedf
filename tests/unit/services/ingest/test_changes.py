"""Notifications of the kernel: received, lost, and received again without a restart."""

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


class Notifications:
    """How often something has changed."""

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
def notifications() -> Notifications:
    return Notifications()


@pytest_asyncio.fixture
async def changes(notifications: Notifications) -> AsyncIterator[Changes]:
    opened = Changes(notifications)
    await opened.open()
    yield opened
    await opened.close()


def directory(path: Path, inode: int = 1) -> frozenset[LocalDirectory]:
    path.mkdir(exist_ok=True)
    return frozenset({LocalDirectory(path, 1, inode)})


async def receives_notifications(notifications: Notifications, path: Path) -> None:
    """Returns when a file in the directory was noticed: those that come before its watch is set again may not be."""
    before = notifications.count
    async with asyncio.timeout(60):
        for number in range(10_000):
            (path / f"{number}.mp4").touch()
            await asyncio.sleep(0.1)
            if notifications.count > before + 1:  # once may be the setting of the watch
                return


async def test_a_change_is_noticed_and_what_changed_before(
    changes: Changes, notifications: Notifications, tmp_path: Path
) -> None:
    # M-07
    changes.watch(directory(tmp_path / "demo"))
    await notifications.more_than(0)
    before = notifications.count
    (tmp_path / "demo/film.mp4").touch()
    await notifications.more_than(before)


async def _remove(demo: Path) -> None:
    shutil.rmtree(demo)


async def _move_away(demo: Path) -> None:
    demo.rename(demo.with_name("old"))


@pytest.mark.parametrize("take_away", [_remove, _move_away])
async def test_a_directory_that_went_away_and_came_again_is_watched_again(
    changes: Changes, notifications: Notifications, tmp_path: Path, take_away: Callable[[Path], Any]
) -> None:
    # M-07
    demo = tmp_path / "demo"
    changes.watch(directory(demo))
    await notifications.more_than(0)
    before = notifications.count
    await take_away(demo)
    await notifications.more_than(before)
    demo.mkdir()
    await receives_notifications(notifications, demo)


async def test_another_directory_at_the_same_path_is_watched_instead(
    changes: Changes, notifications: Notifications, tmp_path: Path
) -> None:
    """The kernel says nothing of a file system that was mounted there."""
    changes.watch(directory(tmp_path / "demo"))
    await notifications.more_than(0)
    before = notifications.count
    changes.watch(directory(tmp_path / "demo"))
    changes.watch(directory(tmp_path / "demo", inode=2))
    await notifications.more_than(before)


async def test_a_kernel_without_free_watches_is_asked_again(
    changes: Changes, notifications: Notifications, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    await notifications.more_than(0)
    assert len(refused) == 3
    await receives_notifications(notifications, tmp_path / "demo")


async def test_a_mount_that_hangs_holds_up_nothing_but_notifications(
    changes: Changes, notifications: Notifications, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    await notifications.more_than(0)
    await receives_notifications(notifications, tmp_path / "other")

"""kill -9 at every step between a file's coming and its going: it becomes one upload, and nothing of it is lost.

The steps are those of the watched folder; where the bytes go makes no difference to them.
"""

import asyncio
import signal
from pathlib import Path

import pytest

from libs.object_store.port import ObjectStore
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

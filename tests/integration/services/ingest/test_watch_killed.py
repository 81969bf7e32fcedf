"""Workers that are killed at any moment: each file becomes one upload, and nothing of it is lost."""

import random
from pathlib import Path

from libs.object_store.port import ObjectStore
from tests.integration.services.ingest.rig import until
from tests.integration.services.ingest.watched import names_in, others, worker

FILES = 40
KILLS = 8


async def test_two_workers_that_are_killed_again_and_again_take_each_file_once(
    database_dsn: str, place: str, store: ObjectStore, tmp_path: Path
) -> None:
    # M-07
    demo = tmp_path / "watch/demo"
    demo.mkdir(parents=True)
    chance = random.Random(1)
    contents = {f"{number}.mp4": chance.randbytes(chance.randrange(1, 3_000_000)) for number in range(FILES)}
    async with others(database_dsn, store, tmp_path / "watch") as watcher:
        watcher.refuses |= {"3.mp4", "7.mp4"}
        for name, content in contents.items():
            (demo / name).write_bytes(content)
        for round_ in range(KILLS):
            async with (
                worker(database_dsn, place, tmp_path / "watch") as one,
                worker(database_dsn, place, tmp_path / "watch") as other,
            ):
                before = sum(row["ended_at"] is not None for row in await watcher.rows())
                goal = min(FILES, before + chance.randrange(1, 5))

                async def went_on(goal: int = goal) -> bool:
                    return sum(row["ended_at"] is not None for row in await watcher.rows()) >= goal

                if round_ < KILLS - 1:
                    await until(went_on)
                    one.kill()
                    other.kill()
                else:
                    await watcher.ended(FILES)
        states = await watcher.states()
        assert states == {name: ["kept" if name in watcher.refuses else "taken"] for name in contents}
        found = await watcher.found()
        assert len(found) == FILES
        for event in found:
            assert await watcher.content(event) == contents[event.file_name]
    assert names_in(demo) == ["3.mp4", "3.mp4.error.txt", "7.mp4", "7.mp4.error.txt"]

"""Watch folders of an ingest service, with what the gateway and the session service would say about their files."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from contracts.container import WatchedBucket, WatchedDirectory
from contracts.envelope import Envelope
from contracts.events import (
    FetchCompleted,
    FetchedUploadClosed,
    FetchFailed,
    FetchRequested,
    WatchedFileFound,
    WatchFolderConfigured,
)
from libs.object_store.port import ObjectStore
from libs.runtime.secret import SecretBox
from tests.integration.services.ingest.rig import KEY, TENANT, Rig, about, requested, running, until

SETTLE_SECONDS = 0.3
ROOT = Path(__file__).parents[4]


def named(settings: WatchedDirectory | WatchedBucket, **changes: Any) -> WatchFolderConfigured:
    values = {
        "watch_folder_id": uuid4(),
        "tenant_id": TENANT,
        "revision": 1,
        "kind": "directory" if isinstance(settings, WatchedDirectory) else "bucket",
        "on_success": "delete",
        "settings_encrypted": SecretBox(KEY).seal(settings.model_dump_json()),
    }
    return WatchFolderConfigured.model_validate(values | changes)


class Watcher:
    """The rig with the others' part: `serve` answers what ingest says, as the gateway and the session service do."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.refuses: set[str] = set()
        """Names of files whose uploads the session service rejects."""
        self.max_size_bytes = 1 << 30
        """Of a file that the gateway takes."""
        self._asked: dict[UUID, FetchRequested] = {}
        self._decided: set[UUID] = set()

    async def found(self) -> list[WatchedFileFound]:
        return [event for event in await self._told() if isinstance(event, WatchedFileFound)]

    async def rows(self) -> list[dict[str, Any]]:
        async with self.rig.service.outbox.database.connection() as connection:
            return [dict(row) for row in await connection.fetch("SELECT * FROM watched_files ORDER BY created_at, path")]

    async def states(self) -> dict[str, list[str]]:
        """By path, oldest first."""
        states: dict[str, list[str]] = {}
        for row in await self.rows():
            states.setdefault(row["path"], []).append(row["state"])
        return states

    async def ask(self, found: WatchedFileFound) -> FetchRequested:
        """The gateway's part."""
        event = requested(
            f"watch:{found.file_id}", upload_id=found.file_id, staging_key=f"staging/{found.file_id}/token",
            max_size_bytes=self.max_size_bytes,
        )  # fmt: skip
        self._asked[found.file_id] = event
        await self.rig.hear(event)
        return event

    async def content(self, found: WatchedFileFound) -> bytes | None:
        stored = await self.rig.stored(self._asked[found.file_id])
        return stored[1] if stored else None

    async def accept(self, found: WatchedFileFound) -> None:
        """The session service's part."""
        asked = self._asked[found.file_id]
        await self.rig.hear(about(asked, FetchedUploadClosed, outcome="completed", size_bytes=found.size_bytes))

    async def refuse(self, found: WatchedFileFound, code: str = "infected", message: str = "Eicar") -> None:
        await self.rig.hear(
            about(self._asked[found.file_id], FetchedUploadClosed, outcome="rejected", code=code, message=message)
        )

    async def step(self) -> None:
        for found in await self.found():
            if found.file_id not in self._asked:
                await self.ask(found)
        for event in await self._told():
            if not isinstance(event, FetchCompleted | FetchFailed) or event.upload_id in self._decided:
                continue
            [found] = [found for found in await self.found() if found.file_id == event.upload_id]
            self._decided.add(event.upload_id)
            if isinstance(event, FetchFailed):
                await self.refuse(found, event.code, event.message)
            elif found.file_name in self.refuses:
                await self.refuse(found)
            else:
                await self.accept(found)

    async def serve(self) -> None:
        while True:
            await self.step()
            await asyncio.sleep(0.05)

    async def ended(self, count: int) -> dict[str, list[str]]:
        """Their states, once so many files have been taken or kept and no other is on its way."""

        async def all_ended() -> bool:
            rows = await self.rows()
            return len(rows) >= count and all(row["ended_at"] for row in rows)

        await until(all_ended)
        return await self.states()

    async def _told(self) -> list[Any]:
        async with self.rig.service.outbox.database.connection() as connection:
            rows = await connection.fetch("SELECT unnest(envelopes) AS envelope FROM outbox ORDER BY id")
        return [Envelope.model_validate_json(row["envelope"]).event() for row in rows]


@asynccontextmanager
async def watching(
    dsn: str, store: ObjectStore, root: Path, *folders: WatchFolderConfigured, served: bool = True, **settings: Any
) -> AsyncIterator[Watcher]:
    """A started ingest service that watches `folders`; `served`: what it finds becomes uploads."""
    given: dict[str, Any] = {
        "watch_dir": root,
        "egress_allow": "127.0.0.0/8",
        "ingest_watch_settle_seconds": SETTLE_SECONDS,
        "ingest_watch_poll_seconds": 0.5,
    }
    async with running(dsn, store, **(given | settings)) as rig:
        watcher = Watcher(rig)
        if folders:
            await rig.hear(*folders)
        serving = asyncio.create_task(watcher.serve()) if served else None
        try:
            yield watcher
        finally:
            if serving is not None:
                serving.cancel()
                await asyncio.wait({serving})


def names_in(folder: Path) -> list[str]:
    """Paths of all files below it, hidden ones too."""
    return sorted(str(Path(above, name).relative_to(folder)) for above, _, files in os.walk(folder) for name in files)


@asynccontextmanager
async def worker(
    dsn: str, place: str, root: Path, *conditions: str, **settings: Any
) -> AsyncIterator["subprocess.Popen[bytes]"]:
    """An ingest service as a process of its own; for its `conditions` see there."""
    given = {"watch_dir": str(root), "ingest_watch_settle_seconds": SETTLE_SECONDS, "ingest_watch_poll_seconds": 0.5}
    program = str(Path(__file__).with_name("worker_process.py"))
    command = [sys.executable, program, dsn, place, json.dumps(given | settings), *conditions]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}) as process:
        assert process.stdout is not None
        try:
            while not (line := await asyncio.to_thread(process.stdout.readline)).strip().endswith(b"ready"):
                assert line, "the worker did not start"
            yield process
        finally:
            process.kill()


@asynccontextmanager
async def others(dsn: str, store: ObjectStore, root: Path, **folder: str) -> AsyncIterator[Watcher]:
    """The gateway's and the session service's part; ingest's own is done by workers."""
    async with watching(dsn, store, root, named(WatchedDirectory(path="demo"), **folder), loops=False) as watcher:
        yield watcher

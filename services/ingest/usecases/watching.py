"""Finds files in watch folders, and clears them away when their uploads have ended."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import UUID

import structlog

from contracts.events import WatchedFileFound
from libs.outbox.unit_of_work import Outbox
from libs.postgres.database import TRANSIENT_ERRORS
from services.ingest import metrics
from services.ingest.adapters.place import PlaceUnavailableError
from services.ingest.domain.watch import (
    WATCH,
    Cleared,
    Sighting,
    WatchFolder,
    clear_pause_seconds,
    folder_of,
)
from services.ingest.store import WatchStore
from services.ingest.usecases.places import Places

MAX_OPEN: Final = 100
"""Files of one folder that are on their way at a time: no upload waits so long that it expires."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Seen:
    """What a look at a folder told."""

    directories: frozenset[Path] = frozenset()
    """In which a change is worth another look."""
    settled_in: float | None = None
    """Seconds until the next file may be taken; None where none waits."""


class Finding:
    def __init__(self, outbox: Outbox, places: Places, *, settle_seconds: float) -> None:
        self._outbox = outbox
        self._places = places
        self._settle_seconds = settle_seconds
        self._first_seen: dict[UUID, dict[Sighting, float]] = {}

    async def folders(self) -> Sequence[WatchFolder]:
        async with self._outbox.database.connection() as connection:
            return await WatchStore(connection).folders()

    async def look(self, folder: WatchFolder) -> Seen:
        """Tells of every file that lies there settled and was not told of. Raises PlaceUnavailableError."""
        async with self._outbox.database.connection() as connection:
            began_at = await WatchStore(connection).clock()
        looked_at = time.time()
        survey = await self._places.of(folder).survey()
        waits = self._waits(folder, survey.files, looked_at)
        if settled := [sighting for sighting in survey.files if waits[sighting] <= 0]:
            await self._tell(folder, settled, began_at)
        return Seen(survey.directories, min((wait for wait in waits.values() if wait > 0), default=None))

    def _waits(self, folder: WatchFolder, sightings: Sequence[Sighting], now: float) -> dict[Sighting, float]:
        """How long each has to wait. A clock that is ahead of ours does not count: then it is what we saw ourselves.

        `now` is when the look began: what it saw may be old when it ends.
        """
        known = self._first_seen.get(folder.id, {})
        seen = self._first_seen[folder.id] = {sighting: known.get(sighting, now) for sighting in sightings}
        return {sighting: min(sighting.changed_at, since) + self._settle_seconds - now for sighting, since in seen.items()}

    async def _tell(self, folder: WatchFolder, settled: Sequence[Sighting], began_at: datetime) -> None:
        async with self._outbox.unit_of_work() as work:
            store = WatchStore(work.connection)
            places = MAX_OPEN - await store.open_files(folder)
            oldest = sorted(settled, key=lambda sighting: (sighting.changed_at, sighting.path))
            for sighting in await store.found(folder, oldest[: max(0, places)], began_at):
                work.emit(_found(folder, sighting))
                metrics.WATCHED.labels("found").inc()


class Clearing:
    def __init__(self, outbox: Outbox, places: Places, *, lease_seconds: float) -> None:
        """When the lease ends, another replica begins the same once more, which does no harm."""
        self._outbox = outbox
        self._places = places
        self._lease_seconds = lease_seconds

    async def claim(self, limit: int, *, of_each: int, except_of: Sequence[UUID]) -> Sequence[Cleared]:
        """What is due, so much `of_each` folder, and nothing of these."""
        if limit <= 0:
            return []
        async with self._outbox.database.connection() as connection:
            return await WatchStore(connection).claim(limit, of_each, except_of, self._lease_seconds)

    async def clear(self, cleared: Cleared) -> None:
        """Raises nothing for the place's or the database's sake: it is tried again later."""
        try:
            await self._clear(cleared)
        except PlaceUnavailableError as error:
            log.warning("watch.not-cleared", file_id=str(cleared.file.id), error=str(error), attempts=cleared.attempts)
            await self._postpone(cleared, clear_pause_seconds(cleared.attempts))
        except TRANSIENT_ERRORS as error:  # the lease ends by itself
            log.warning("watch.not-noted", file_id=str(cleared.file.id), error=type(error).__name__)

    async def _clear(self, cleared: Cleared) -> None:
        async with self._outbox.database.connection() as connection:
            folder = await WatchStore(connection).folder(cleared.watch_folder_id)
        assert folder is not None, "a file is found in a folder that is known"
        place = self._places.of(folder)
        if cleared.reason is None:
            await place.accept(cleared.file, folder.on_success)
        else:
            await place.refuse(cleared.file, cleared.reason)
        async with self._outbox.database.connection() as connection:
            await WatchStore(connection).cleared(cleared.file.id)
        metrics.WATCHED.labels("taken" if cleared.reason is None else "kept").inc()
        log.info("watch.cleared", file_id=str(cleared.file.id), is_upload=cleared.reason is None)
        self._outbox.wakeups.wake(WATCH)  # another file may have its place

    async def _postpone(self, cleared: Cleared, seconds: float) -> None:
        async with self._outbox.database.connection() as connection:
            await WatchStore(connection).postpone(cleared.file.id, seconds)


def _found(folder: WatchFolder, sighting: Sighting) -> WatchedFileFound:
    folder_id, label = folder_of(sighting.path)
    return WatchedFileFound(
        file_id=sighting.id_in(folder.id),
        tenant_id=folder.tenant_id,
        watch_folder_id=folder.id,
        file_name=sighting.path.rpartition("/")[2],
        folder_id=folder_id,
        folder_label=label,
        size_bytes=sighting.size_bytes,
        found_at=datetime.now(UTC),
    )

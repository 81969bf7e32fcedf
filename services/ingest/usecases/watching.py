"""Finds files in watch folders, and clears them away when their uploads have ended."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import structlog

from contracts.events import WatchedFileFound
from contracts.ids import UploadId
from libs.outbox.unit_of_work import Outbox
from libs.postgres.database import TRANSIENT_ERRORS
from services.ingest import metrics
from services.ingest.adapters.place import LocalDirectory, Place, PlaceUnavailableError
from services.ingest.domain.watch import (
    CLEARING,
    EMPTY,
    WATCH,
    Cleared,
    Sighting,
    WatchFolder,
    clear_pause_seconds,
    folder_of,
    recheck_pause_seconds,
)
from services.ingest.store import WatchStore
from services.ingest.usecases.places import Places

MAX_OPEN: Final = 100
"""Files of one folder that are on their way at a time: no upload waits so long that it expires."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Seen:
    """What a look at a folder told."""

    directories: frozenset[LocalDirectory] = frozenset()
    """In which a change is worth another look."""
    settled_in: float | None = None
    """Seconds until the next file may be taken; None where none waits."""


class Finding:
    def __init__(self, outbox: Outbox, places: Places, *, settle_seconds: float, empty_seconds: float) -> None:
        """A file that holds something has settled after `settle_seconds`, an empty one is reported after `empty_seconds`."""
        self._outbox = outbox
        self._places = places
        self._settle_seconds = settle_seconds
        self._empty_seconds = max(settle_seconds, empty_seconds)
        self._first_seen: dict[UUID, dict[Sighting, float]] = {}

    async def folders(self) -> Sequence[WatchFolder]:
        async with self._outbox.database.connection() as connection:
            return await WatchStore(connection).folders()

    async def look(self, folder: WatchFolder) -> Seen:
        """Tells of every file that lies there settled and was not told of. Raises PlaceUnavailableError."""
        async with self._outbox.database.connection() as connection:
            began_at = await WatchStore(connection).clock()
        looked_at = time.time()
        place = self._places.of(folder)
        survey = await place.survey()
        waits = self._waits(folder, survey.files, looked_at)
        if settled := [sighting for sighting in survey.files if waits[sighting] <= 0]:
            oldest = sorted(settled, key=lambda sighting: (sighting.changed_at, sighting.path))
            await self._insert(folder, await place.select_closed(oldest, MAX_OPEN), began_at)
        if survey.orphaned_notes:
            await self._remove_orphaned_notes(folder, place, survey.orphaned_notes)
        return Seen(survey.directories, min((wait for wait in waits.values() if wait > 0), default=None))

    async def _remove_orphaned_notes(self, folder: WatchFolder, place: Place, paths: Sequence[str]) -> None:
        async with self._outbox.database.connection() as connection:
            refused = await WatchStore(connection).refused_paths(folder, paths)
        for path in refused:
            await place.remove_orphaned_note(path)

    def _waits(self, folder: WatchFolder, sightings: Sequence[Sighting], now: float) -> dict[Sighting, float]:
        """How long each has to wait. A clock that is ahead of ours does not count: then it is what we saw ourselves.

        `now` is when the look began: what it saw may be old when it ends.
        """
        known = self._first_seen.get(folder.id, {})
        seen = self._first_seen[folder.id] = {sighting: known.get(sighting, now) for sighting in sightings}
        return {sighting: min(sighting.changed_at, since) + self._wait_of(sighting) - now for sighting, since in seen.items()}

    def _wait_of(self, sighting: Sighting) -> float:
        return self._settle_seconds if sighting.size_bytes else self._empty_seconds

    async def _insert(self, folder: WatchFolder, files: Sequence[Sighting], began_at: datetime) -> None:
        """As many as there are slots, with an event about each. An empty one becomes no upload, but gets an error note."""
        filled = [sighting for sighting in files if sighting.size_bytes]
        empty = [sighting for sighting in files if not sighting.size_bytes]
        async with self._outbox.unit_of_work() as work:
            store = WatchStore(work.connection)
            await store.lock(folder)
            slots = max(0, MAX_OPEN - await store.open_files(folder))
            inserted = await store.insert_new(folder, filled, began_at, limit=slots)
            for file_id, sighting in inserted:
                work.emit(_found(folder, file_id, sighting))
                metrics.WATCHED.labels("found").inc()
            if await store.insert_new(folder, empty, began_at, limit=slots - len(inserted), reason=EMPTY):
                work.wake(CLEARING)


class Clearing:
    def __init__(
        self, outbox: Outbox, places: Places, *, lease_seconds: float, settle_seconds: float, grace_seconds: float
    ) -> None:
        """When the lease ends, another replica begins the same once more, which does no harm.

        A file that was set aside is looked at first after `settle_seconds`, and for the last time after `grace_seconds`.
        """
        self._outbox = outbox
        self._places = places
        self._lease_seconds = lease_seconds
        self._settle_seconds = settle_seconds
        self._grace_seconds = grace_seconds

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
        if cleared.aside_path is not None:
            await self._recheck(folder, cleared, cleared.aside_path)
        elif cleared.reason is None:
            aside_path = await self._places.of(folder).accept(cleared.file, folder.on_success)
            await self._end(cleared, aside_path)
        else:
            await self._places.of(folder).refuse(cleared.file, cleared.reason)
            await self._end(cleared)

    async def _recheck(self, folder: WatchFolder, cleared: Cleared, aside_path: str) -> None:
        """Of a file that was set aside, whether it has changed since."""
        pause = self._recheck_pause_seconds(cleared.aside_seconds)
        remove = pause == 0 and folder.on_success == "delete"
        has_gone = await self._places.of(folder).recheck(cleared.file, aside_path, remove=remove)
        async with self._outbox.database.connection() as connection:
            if has_gone or pause == 0:
                await WatchStore(connection).cleared(cleared.file.id)
            else:
                await WatchStore(connection).postpone(cleared.file.id, pause)

    def _recheck_pause_seconds(self, aside_seconds: float) -> float:
        return recheck_pause_seconds(aside_seconds, self._settle_seconds, self._grace_seconds)

    async def _end(self, cleared: Cleared, aside_path: str | None = None) -> None:
        async with self._outbox.database.connection() as connection:
            if aside_path is None:
                await WatchStore(connection).cleared(cleared.file.id)
            else:
                await WatchStore(connection).set_aside(cleared.file.id, aside_path, self._recheck_pause_seconds(0))
        metrics.WATCHED.labels("taken" if cleared.reason is None else "kept").inc()
        log.info("watch.cleared", file_id=str(cleared.file.id), is_upload=cleared.reason is None)
        self._outbox.wakeups.wake(WATCH)  # another file may have its place

    async def _postpone(self, cleared: Cleared, seconds: float) -> None:
        async with self._outbox.database.connection() as connection:
            await WatchStore(connection).postpone(cleared.file.id, seconds)


def _found(folder: WatchFolder, file_id: UploadId, sighting: Sighting) -> WatchedFileFound:
    folder_id, label = folder_of(sighting.path)
    return WatchedFileFound(
        file_id=file_id,
        tenant_id=folder.tenant_id,
        watch_folder_id=folder.id,
        file_name=sighting.name,
        folder_id=folder_id,
        folder_label=label,
        size_bytes=sighting.size_bytes,
        found_at=datetime.now(UTC),
    )

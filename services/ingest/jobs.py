"""Timers in: watch folders, and upkeep."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog

from libs.jobs.drain import drain
from libs.outbox.unit_of_work import Outbox
from libs.postgres.database import TRANSIENT_ERRORS
from libs.runtime.poll import Poll
from services.ingest import metrics
from services.ingest.adapters.changes import Changes
from services.ingest.adapters.place import LocalDirectory, PlaceUnavailableError
from services.ingest.domain.watch import CLEARING, WATCH, WatchFolder
from services.ingest.store import IngestStore, WatchStore
from services.ingest.usecases.watching import Clearing, Finding, Seen

log = structlog.get_logger()

BREATH_SECONDS: Final = 0.2
"""Between two looks at watch folders."""
LOOK_SECONDS: Final = 5.0
"""A look that takes longer holds up no other."""
CLEAR_PLACES: Final = 16
"""Files that are cleared away at a time."""
FOLDER_PLACES: Final = 4
"""Of one folder that are begun at a time, and none more while so many are not done."""
UPKEEP_SECONDS: Final = 30.0
PURGE_BATCH: Final = 1000


class WatchLoop:
    """Looks into every watch folder: when something changes there, when a file has settled, and now and then.

    A look that takes long goes on beside the next ones, into the others.
    """

    def __init__(self, outbox: Outbox, finding: Finding, changes: Changes, *, poll_seconds: float) -> None:
        self._wakeups = outbox.wakeups
        self._finding = finding
        self._changes = changes
        self._troubles: dict[UUID, str] = {}
        self._poll_seconds = poll_seconds
        self._looks: dict[UUID, asyncio.Task[Seen]] = {}
        self._directories: dict[UUID, frozenset[LocalDirectory]] = {}
        """As each folder was seen last."""

    async def run(self) -> None:
        try:
            while True:
                pause = await self.once()
                await asyncio.sleep(BREATH_SECONDS)  # many changes at once are one look
                await self._wakeups.wait(WATCH, timeout=pause)
        finally:
            await self._stop()

    async def once(self) -> float:
        """One look into all of them; after how many seconds another one is due."""
        folders = {folder.id: folder for folder in await self._finding.folders()}
        begun = {id_: asyncio.create_task(self._look(one)) for id_, one in folders.items() if id_ not in self._looks}
        self._looks |= begun
        if begun:
            await asyncio.wait(begun.values(), timeout=LOOK_SECONDS)
        seen = self._seen()
        for folder_id in begun.keys() & self._looks.keys():
            self._looks[folder_id].add_done_callback(lambda _look: self._wakeups.wake(WATCH))
        known = self._directories | {folder_id: one.directories for folder_id, one in seen.items()}
        self._directories = {folder_id: directories for folder_id, directories in known.items() if folder_id in folders}
        self._changes.watch(frozenset().union(*self._directories.values()))
        return min([self._poll_seconds, *(one.settled_in for one in seen.values() if one.settled_in is not None)])

    def _seen(self) -> dict[UUID, Seen]:
        """What the looks told that have ended; the others go on."""
        ended = {folder_id: look for folder_id, look in self._looks.items() if look.done()}
        for folder_id in ended:
            del self._looks[folder_id]
        return {folder_id: look.result() for folder_id, look in ended.items()}

    async def _stop(self) -> None:
        looks = list(self._looks.values())
        self._looks.clear()
        await drain(looks)

    async def _look(self, folder: WatchFolder) -> Seen:
        try:
            seen = await self._finding.look(folder)
            self._troubles.pop(folder.id, None)
            return seen
        except PlaceUnavailableError as error:
            if self._troubles.get(folder.id) != str(error):  # not at every look
                log.warning("watch.unavailable", watch_folder_id=str(folder.id), error=str(error))
            self._troubles[folder.id] = str(error)
        except TRANSIENT_ERRORS as error:
            log.warning("watch.postponed", watch_folder_id=str(folder.id), error=type(error).__name__)
        except Exception as error:  # one folder's trouble is not the others'; its words may hold settings
            log.error("watch.stumbled", watch_folder_id=str(folder.id), error=type(error).__name__)
        return Seen()


class ClearingLoop:
    """Clears away files whose uploads have ended, some of each folder at a time: a slow one holds up no other."""

    def __init__(self, outbox: Outbox, clearing: Clearing, *, poll_seconds: float) -> None:
        self._wakeups = outbox.wakeups
        self._clearing = clearing
        self._poll = Poll(poll_seconds)
        self._running: dict[asyncio.Task[None], UUID] = {}

    async def run(self) -> None:
        try:
            while True:
                if await self._started_some() or await self._wakeups.wait(CLEARING, timeout=self._poll.next_pause()):
                    self._poll.restart()
        finally:
            await drain(self._running)

    async def _started_some(self) -> bool:
        busy = Counter(self._running.values())
        full = [folder_id for folder_id, count in busy.items() if count >= FOLDER_PLACES]
        try:
            free = CLEAR_PLACES - len(self._running)
            due = await self._clearing.claim(free, of_each=FOLDER_PLACES, except_of=full)
        except TRANSIENT_ERRORS as error:
            log.warning("clearing.postponed", error=type(error).__name__)
            return False
        for cleared in due:
            task = asyncio.create_task(self._clearing.clear(cleared))
            self._running[task] = cleared.watch_folder_id
            task.add_done_callback(self._ended)
        return bool(due)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        del self._running[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("clearing.stumbled", error=type(error).__name__)
        self._wakeups.wake(CLEARING)  # a place is free again


class Upkeep:
    """Forgets what ended long ago, and shows how much waits."""

    def __init__(self, outbox: Outbox, *, retention: timedelta) -> None:
        self._outbox = outbox
        self._retention = retention

    async def once(self) -> bool:
        """One batch; True when there may be more."""
        async with self._outbox.database.connection() as connection:
            store = IngestStore(connection)
            pending, oldest = await store.backlog()
            deleted = await store.purge(self._retention, PURGE_BATCH)
            forgotten = await WatchStore(connection).purge(self._retention, PURGE_BATCH)
        metrics.PENDING.set(pending)
        metrics.OLDEST.set(oldest)
        return PURGE_BATCH in (deleted, forgotten)

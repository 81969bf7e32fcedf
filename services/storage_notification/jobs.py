"""Timers in: the reconciler, the kept notices, the sweep of multipart uploads, the purge."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import structlog

from libs.object_store.port import ObjectInfo, ObjectStore, OpenMultipart
from libs.outbox.unit_of_work import Outbox
from services.storage_notification.domain.record import STAGING
from services.storage_notification.metric import ABORTED, ROWS, STRAYS
from services.storage_notification.store import NotificationStore
from services.storage_notification.usecases import RETRY, StorageNotification

log = structlog.get_logger()


class Reconciler:
    """Looks at what really lies below `staging/`: notifications get lost in every real object store.

    That folder stays small, since accepted objects are moved away. One replica scans at a time; a lease says which.
    """

    LEASE = "reconciler"
    LEASE_TIME = timedelta(seconds=15)
    """Longer than a page takes, and no longer than uploads may wait where its holder was killed. Two that scan do no harm."""

    def __init__(
        self,
        outbox: Outbox,
        store: ObjectStore,
        notification: StorageNotification,
        *,
        grace: timedelta,
        stray_age: timedelta,
        unknown_age: timedelta,
    ) -> None:
        self._outbox = outbox
        self._objects = store
        self._notification = notification
        self._grace = grace
        self._stray_age = stray_age
        self._unknown_age = unknown_age
        self._owner = uuid4()

    async def once(self) -> bool:
        """One pass over the folder, unless another replica is at it. Raises StoreUnavailableError."""
        if not await self._lease():
            return False
        async for page in self._objects.list(STAGING):
            await self._page(page)
            if not await self._lease():
                return False
        async with self._outbox.database.connection() as connection:
            await NotificationStore(connection).return_lease(self.LEASE, self._owner)
        return False

    async def _lease(self) -> bool:
        async with self._outbox.database.connection() as connection:
            return await NotificationStore(connection).take_lease(self.LEASE, self._owner, self.LEASE_TIME)

    async def _page(self, page: Sequence[ObjectInfo]) -> None:
        now = datetime.now(UTC)
        # Young ones are left to their notification, which is cheaper.
        await self._notification.reconcile([found for found in page if found.modified_at <= now - self._grace])
        await self._sweep(page, now)

    async def _sweep(self, page: Sequence[ObjectInfo], now: datetime) -> None:
        """Deletes what came in again after its upload had ended, and much later what nobody seems to have registered.

        A registration may be under way for as long as a broker can be away.
        """
        old = [found.key for found in page if found.modified_at <= now - self._stray_age]
        if not old:
            return
        very_old = {found.key for found in page if found.modified_at <= now - self._unknown_age}
        async with self._outbox.database.connection() as connection:
            closed = await NotificationStore(connection).known(old)
        if strays := [key for key in old if closed.get(key, key in very_old)]:
            await self._objects.delete(strays)
            STRAYS.inc(len(strays))
            log.info("strays.deleted", objects=len(strays))


class Notices:
    """Looks at keys whose notice came before their registration, or while the store did not answer."""

    def __init__(self, outbox: Outbox, notification: StorageNotification, *, batch: int = 500) -> None:
        self._outbox = outbox
        self._notification = notification
        self._batch = batch

    async def once(self) -> bool:
        async with self._outbox.database.connection() as connection:
            keys = await NotificationStore(connection).claim_notices(self._batch, RETRY)
        if not keys:
            return False
        unanswered = await self._notification.look(keys)
        async with self._outbox.database.connection() as connection:
            await NotificationStore(connection).drop_notices([key for key in keys if key not in unanswered])
        return len(keys) == self._batch


class MultipartSweep:
    """Aborts multipart uploads that outlived their process: they cost space and are in no listing of objects.

    Below `staging/` one may belong to an upload that is still open. All others are writes and copies of our own, which never
    take that long. Two replicas that sweep at once do no harm.
    """

    PREFIXES = (STAGING, "files/")

    def __init__(self, outbox: Outbox, store: ObjectStore, *, stray_age: timedelta) -> None:
        self._outbox = outbox
        self._objects = store
        self._stray_age = stray_age

    async def once(self) -> bool:
        """One pass over what is open. Raises StoreUnavailableError."""
        for prefix in self.PREFIXES:
            async for page in self._objects.list_multiparts(prefix):
                await self._page(page)
        return False

    async def _page(self, page: Sequence[OpenMultipart]) -> None:
        oldest = datetime.now(UTC) - self._stray_age
        old = [found for found in page if found.started_at <= oldest]
        if not old:
            return
        async with self._outbox.database.connection() as connection:
            awaited = await NotificationStore(connection).open([found.key for found in old])
        strays = [found for found in old if found.key not in awaited]
        for found in strays:
            await self._objects.abort_multipart(found.key, found.multipart_id)
        if strays:
            ABORTED.inc(len(strays))
            log.info("strays.aborted", multiparts=len(strays))


class Purge:
    """Deletes rows that have no use any more, and counts the others.

    `keep_closed` has to be longer than the age at which the sweep takes objects of closed uploads: it knows them by their rows.
    """

    def __init__(self, outbox: Outbox, *, keep_closed: timedelta, batch: int = 5000) -> None:
        self._outbox = outbox
        self._keep_closed = keep_closed
        self._batch = batch

    async def once(self) -> bool:
        async with self._outbox.database.connection() as connection:
            store = NotificationStore(connection)
            deleted = await store.purge(self._batch, self._keep_closed)
            for kind, count in (await store.counts()).items():
                ROWS.labels(kind).set(count)
        return deleted >= self._batch

"""From "something lies under this key, perhaps" to exactly one `ObjectStored` per stored version.

Whoever has a hint (HTTP, AMQP, the disk store, the reconciler) ends here: the store is asked, and what it says is compared
with what was announced. The row's compare-and-set lets one of several that saw the same thing emit the event.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import structlog

from contracts.events import ObjectStored, Stage, StoredObject
from libs.object_store.port import ObjectInfo, ObjectStore
from libs.observability.tracing import span
from libs.outbox.unit_of_work import Outbox, UnitOfWork
from libs.postgres.coalesce import Coalescer
from services.storage_notification.domain.announcement import Expected, is_due
from services.storage_notification.domain.record import parse
from services.storage_notification.metric import ANNOUNCED, RECORDS
from services.storage_notification.store import Announcement, NotificationStore

log = structlog.get_logger()

NoticedBy = Literal["notification", "reconciler"]

RETRY = timedelta(seconds=5)
"""When a kept notice is looked at again while the store does not answer."""

NOTICES = "notices"
"""The wake-up of the loop that looks at kept notices."""

LOOKS = 32
"""Objects that are asked for at the same time."""

ANSWER = timedelta(seconds=3)
"""How long the store may take for what it is asked; less than the patience of those who wait for their notice to be kept."""


@dataclass(frozen=True)
class Receipt:
    """What became of the records of one notification."""

    accepted: int = 0
    malformed: int = 0
    skipped: int = 0


class StorageNotification:
    """`receive` for whatever a store sends, `reconcile` for what was found in it."""

    def __init__(
        self, outbox: Outbox, store: ObjectStore, bucket: str | None = None, *, answer_within: timedelta = ANSWER
    ) -> None:
        self._outbox = outbox
        self._objects = store
        self._bucket = bucket
        self._answer_seconds = answer_within.total_seconds()
        self._looks = asyncio.Semaphore(LOOKS)
        self._coalescer = Coalescer(self._notice, max_rows=500, max_writes=4)

    async def receive(self, payload: object) -> Receipt:
        """Takes a notification in any known shape; returns when all that follows from it is committed.

        Concurrent calls share transactions. Raises only when the database does not answer (`TRANSIENT_ERRORS`).
        """
        parsed = parse(payload, self._bucket)
        RECORDS.labels("malformed").inc(parsed.malformed)
        RECORDS.labels("skipped").inc(parsed.skipped)
        if parsed.malformed:
            log.warning("notification.malformed", records=parsed.malformed)
        await asyncio.gather(*(self._coalescer.submit(key) for key in parsed.keys))
        return Receipt(len(parsed.keys), parsed.malformed, parsed.skipped)

    async def look(self, keys: Sequence[str]) -> set[str]:
        """Announces what is due of keys that were noticed before; returns those that the store did not answer for."""
        async with self._outbox.database.connection() as connection:
            awaited = await NotificationStore(connection).open(keys)
        found, unanswered = await self._ask(list(awaited))
        await self._announce(awaited, found, "notification")
        return unanswered

    async def reconcile(self, listed: Sequence[ObjectInfo]) -> None:
        """Announces what is due of a listing. Only that is asked for again: a listing tells no content type."""
        async with self._outbox.database.connection() as connection:
            awaited = await NotificationStore(connection).open([info.key for info in listed])
        now = datetime.now(UTC)
        due = [info.key for info in listed if info.key in awaited and is_due(awaited[info.key], info.etag, now)]
        found, _unanswered = await self._ask(due)
        await self._announce(awaited, found, "reconciler")

    async def _notice(self, keys: Sequence[str]) -> Sequence[None]:
        """What nobody awaits yet, and what the store does not answer for, is kept."""
        unique = list(dict.fromkeys(keys))
        async with self._outbox.database.connection() as connection:
            store = NotificationStore(connection)
            awaited = await store.open(unique)
            strange = [key for key in unique if key not in awaited]
            # Not "those that are unknown": a registration may commit between the two looks.
            early = set(strange) - await store.closed(strange) if strange else set()
        found, unanswered = await self._ask(list(awaited))
        RECORDS.labels("accepted").inc(len(awaited))
        RECORDS.labels("early").inc(len(early))
        await self._announce(awaited, found, "notification", early=early, unanswered=unanswered)
        return [None] * len(keys)

    async def _ask(self, keys: Sequence[str]) -> tuple[dict[str, ObjectInfo], set[str]]:
        """What lies there, by key, and the keys that the store did not answer for."""
        answers = await asyncio.gather(*(self._stat(key) for key in keys), return_exceptions=True)
        found: dict[str, ObjectInfo] = {}
        unanswered: set[str] = set()
        for key, answer in zip(keys, answers, strict=True):
            if isinstance(answer, ObjectInfo):
                found[key] = answer
            elif isinstance(answer, BaseException):
                unanswered.add(key)
        if unanswered:
            log.warning("store.unanswered", objects=len(unanswered))
        return found, unanswered

    async def _stat(self, key: str) -> ObjectInfo | None:
        # The time of waiting for others counts: a slow store must not add up.
        async with asyncio.timeout(self._answer_seconds), self._looks:
            return await self._objects.stat(key)

    async def _announce(
        self,
        awaited: dict[str, Expected],
        found: dict[str, ObjectInfo],
        noticed_by: NoticedBy,
        *,
        early: Collection[str] = (),
        unanswered: Collection[str] = (),
    ) -> None:
        now = datetime.now(UTC)
        due = [Announcement(awaited[key], info.etag) for key, info in found.items() if is_due(awaited[key], info.etag, now)]
        if not (due or early or unanswered):
            return
        async with self._outbox.unit_of_work() as work:
            store = NotificationStore(work.connection)
            for keys, delay in ((early, timedelta(0)), (unanswered, RETRY)):
                if keys:
                    await store.keep_notices(sorted(keys), delay)
                    work.wake(NOTICES)
            marked = await store.mark_announced(due) if due else []
            for expected in marked:
                emit(work, expected, found[expected.key], noticed_by)
        ANNOUNCED.labels(noticed_by).inc(len(marked))


def emit(work: UnitOfWork, expected: Expected, found: ObjectInfo, noticed_by: NoticedBy) -> None:
    """Within the trace of the request that registered the upload."""
    stored = StoredObject(
        key=found.key,
        size_bytes=found.size_bytes,
        etag=found.etag,
        content_type=found.content_type,
        stored_at=found.modified_at,
    )
    with span("object stored", headers={"traceparent": expected.traceparent} if expected.traceparent else None):
        work.emit(
            ObjectStored(
                upload_id=expected.upload_id,
                tenant_id=expected.tenant_id,
                version=Stage.STORED,
                object=stored,
                noticed_by=noticed_by,
            )
        )
        log.info("object.stored", upload_id=str(expected.upload_id), noticed_by=noticed_by)

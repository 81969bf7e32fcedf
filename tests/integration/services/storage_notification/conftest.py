"""The service without loops, against a real database and a real store."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus
from uuid import uuid4

import pytest_asyncio

from contracts.envelope import Envelope
from contracts.events import Constraints, Event, ObjectStored, Stage, UploadCompleted, UploadRegistered
from contracts.ids import TenantId, new_upload_id
from libs.messaging.dispatch import consumer
from libs.messaging.port import Delivery
from libs.object_store.disk import DiskStore
from libs.object_store.port import ObjectInfo
from libs.outbox.unit_of_work import Outbox
from services.storage_notification.handlers import HANDLERS
from services.storage_notification.jobs import Notices, Purge, Reconciler
from services.storage_notification.usecases import StorageNotification

TENANT = TenantId(uuid4())


async def chunks(content: bytes) -> AsyncIterator[bytes]:
    yield content


class Watcher:
    """The service under test, and what a test wants to know of it."""

    def __init__(self, outbox: Outbox, store: DiskStore) -> None:
        self.outbox = outbox
        self.store = store
        self.notification = StorageNotification(outbox, store, "storage")
        self.notices = Notices(outbox, self.notification)
        self.purge = Purge(outbox, keep_closed=timedelta(days=2))
        self._deliver = consumer(outbox, HANDLERS)

    def reconciler(
        self,
        *,
        grace: timedelta = timedelta(0),
        stray_age: timedelta = timedelta(hours=24),
        unknown_age: timedelta = timedelta(days=14),
    ) -> Reconciler:
        return Reconciler(self.outbox, self.store, self.notification, grace=grace, stray_age=stray_age, unknown_age=unknown_age)

    async def hear(self, *events: Event) -> None:
        envelopes = [Envelope.of(event, source="test", correlation_id="0" * 32) for event in events]
        assert await self._deliver([Delivery(envelope) for envelope in envelopes]) == [None] * len(events)

    async def put(self, key: str, content: bytes = b"bytes") -> ObjectInfo:
        return await self.store.write(key, chunks(content), content_type="image/png")

    async def announced(self) -> list[ObjectStored]:
        """Everything that was published, in order."""
        rows = await self.rows("SELECT unnest(envelopes) AS envelope FROM outbox ORDER BY id")
        events = [Envelope.model_validate_json(row["envelope"]).event() for row in rows]
        return [event for event in events if isinstance(event, ObjectStored)]

    async def rows(self, statement: str, *parameters: object) -> list[Any]:
        async with self.outbox.database.connection() as connection:
            return list(await connection.fetch(statement, *parameters))


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[DiskStore]:
    store = DiskStore(tmp_path / "objects", "http://127.0.0.1:1", "secret", threads=4)
    await store.open()
    yield store
    await store.close()


@pytest_asyncio.fixture
async def watcher(open_outbox: Callable[[str], Awaitable[Outbox]], store: DiskStore) -> Watcher:
    return Watcher(await open_outbox("storage_notification"), store)


def registration(**changes: Any) -> UploadRegistered:
    upload_id = new_upload_id()
    now = datetime.now(UTC)
    values = {
        "upload_id": upload_id,
        "tenant_id": TENANT,
        "version": Stage.REGISTERED,
        "dialect": "json2video",
        "staging_key": f"staging/{upload_id}/token",
        "object_key": f"files/{upload_id}/original.png",
        "constraints": Constraints(max_size_bytes=1000),
        "registered_at": now,
        "url_expires_at": now + timedelta(minutes=15),
        "deadline_at": now + timedelta(hours=1),
    }
    return UploadRegistered.model_validate(values | changes)


def completion(registered: UploadRegistered, found: ObjectInfo) -> UploadCompleted:
    return UploadCompleted.model_validate(
        {
            "upload_id": registered.upload_id,
            "tenant_id": registered.tenant_id,
            "version": Stage.CLOSED,
            "object": {
                "key": registered.object_key,
                "size_bytes": found.size_bytes,
                "etag": found.etag,
                "stored_at": found.modified_at,
            },
            "completed_at": found.modified_at,
        }
    )


def s3_record(key: str, bucket: str = "storage", **changes: object) -> dict[str, object]:
    entry = {"key": quote_plus(key), "size": 0, "eTag": "never-trusted"}
    return {"eventName": "s3:ObjectCreated:Put", "s3": {"bucket": {"name": bucket}, "object": entry}} | changes


def records(*entries: object) -> dict[str, object]:
    return {"Records": list(entries)}

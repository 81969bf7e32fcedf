"""A session service without loops: the test says when each job runs, against a real database and a real store."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from contracts.envelope import Envelope
from contracts.events import Constraints, Event, ObjectStored, Stage, StoredObject, UploadRegistered
from contracts.ids import TenantId, UploadId, new_upload_id
from libs.jobs.worker import Worker
from libs.messaging.dispatch import consumer
from libs.messaging.port import Delivery
from libs.object_store.disk import DiskStore
from libs.object_store.port import ObjectInfo, ObjectStore
from libs.outbox.unit_of_work import Outbox
from services.session.domain.lane import SMALL
from services.session.domain.promotion import Outcome, PromotionJob
from services.session.domain.session import Session
from services.session.handlers import HANDLERS
from services.session.jobs.cleanup import Cleanup
from services.session.jobs.deadline import Deadline
from services.session.jobs.forgetting import Forgetting
from services.session.jobs.promotion import Promotion
from services.session.jobs.promotion_repository import PromotionRepository
from services.session.jobs.retention import Retention
from services.session.jobs.scanning import Scanning
from services.session.store import SessionStore
from tests.servers import clamd
from tests.servers.clamd import ClamdServer

TENANT = TenantId(uuid4())
GRACE = timedelta(minutes=1)
"""How long the files lie there after their time."""


async def chunks(content: bytes) -> AsyncIterator[bytes]:
    yield content


class Sessions:
    """The service under test, and what a test wants to know of it."""

    def __init__(self, outbox: Outbox, store: ObjectStore) -> None:
        self.outbox = outbox
        self.store = store
        self._deliver = consumer(outbox, HANDLERS)
        self.deadline = Deadline(outbox, store, batch=50, looks=4)
        self.retention = Retention(outbox, batch=50, grace=GRACE)
        self.forgetting = Forgetting(outbox, batch=50, age=timedelta(days=30))
        self.cleanup = Cleanup(outbox, store, batch=50, deletions=4)

    def promotion(
        self, store: Any = None, lease: timedelta = timedelta(seconds=60), scanning: Scanning | None = None, slots: int = 50
    ) -> Worker[PromotionJob, Outcome]:
        promotions = PromotionRepository(self.outbox, SMALL, lease)
        promotion = Promotion(store or self.store, promotions, scanning)
        return Worker(
            SMALL.name,
            promotions,
            promotion.handle,
            self.outbox.wakeups,
            slots=slots,
            lease_seconds=lease.total_seconds(),
            drain_seconds=0,
        )

    async def hear(self, *events: Event) -> None:
        envelopes = [Envelope.of(event, source="test", correlation_id="0" * 32) for event in events]
        assert await self._deliver([Delivery(envelope) for envelope in envelopes]) == [None] * len(events)

    async def put(self, registered: UploadRegistered, content: bytes, content_type: str = "image/png") -> ObjectInfo:
        return await self.store.write(registered.staging_key, chunks(content), content_type=content_type)

    async def session(self, registered: UploadRegistered) -> Session:
        async with self.outbox.database.connection() as connection:
            found = await SessionStore(connection).lock([registered.upload_id])
        return found[registered.upload_id]

    async def known(self) -> set[UploadId]:
        async with self.outbox.database.connection() as connection:
            return {row["upload_id"] for row in await connection.fetch("SELECT upload_id FROM sessions")}

    async def told(self, registered: UploadRegistered) -> list[Event]:
        """What it published about the upload, in order."""
        async with self.outbox.database.connection() as connection:
            rows = await connection.fetch("SELECT unnest(envelopes) AS envelope FROM outbox ORDER BY id")
        envelopes = [Envelope.model_validate_json(row["envelope"]) for row in rows]
        return [envelope.event() for envelope in envelopes if envelope.subject == str(registered.upload_id)]

    async def names_told(self, registered: UploadRegistered) -> list[str]:
        return [type(event).__name__ for event in await self.told(registered)]

    async def change(self, registered: UploadRegistered, assignments: str) -> None:
        """Moves the clock of one session, e.g. `deadline_at = now()`."""
        async with self.outbox.database.connection() as connection:
            await connection.execute(f"UPDATE sessions SET {assignments} WHERE upload_id = $1", registered.upload_id)

    async def keys(self, prefix: str = "") -> list[str]:
        return [found.key async for page in self.store.list(prefix) for found in page]


@pytest.fixture(scope="session")
def scanner() -> Iterator[ClamdServer]:
    with clamd.running() as server:
        yield server


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[DiskStore]:
    store = DiskStore(tmp_path / "objects", "http://127.0.0.1:1", "secret", threads=4)
    await store.open()
    yield store
    await store.close()


@pytest_asyncio.fixture
async def sessions(open_outbox: Callable[[str], Awaitable[Outbox]], store: DiskStore) -> Sessions:
    return Sessions(await open_outbox("session"), store)


@pytest.fixture
def registration() -> Callable[..., UploadRegistered]:
    return registered_event


def registered_event(**changes: Any) -> UploadRegistered:
    upload_id = new_upload_id()
    now = datetime.now(UTC)
    values = {
        "upload_id": upload_id,
        "tenant_id": TENANT,
        "version": Stage.REGISTERED,
        "dialect": "eachlabs",
        "staging_key": f"staging/{upload_id}/token",
        "object_key": f"files/{upload_id}/original.png",
        "constraints": Constraints(max_size_bytes=1000, content_type="image/png"),
        "registered_at": now,
        "url_expires_at": now + timedelta(minutes=15),
        "deadline_at": now + timedelta(hours=1),
    }
    return UploadRegistered.model_validate(values | changes)


def stored_event(registered: UploadRegistered, found: ObjectInfo) -> ObjectStored:
    stored = StoredObject(
        key=found.key,
        size_bytes=found.size_bytes,
        etag=found.etag,
        content_type=found.content_type,
        stored_at=found.modified_at,
    )
    return ObjectStored(
        upload_id=registered.upload_id,
        tenant_id=registered.tenant_id,
        version=Stage.STORED,
        object=stored,
        noticed_by="notification",
    )


async def together(*work: Awaitable[Any]) -> Sequence[Any]:
    return await asyncio.gather(*work)

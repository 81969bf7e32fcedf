"""From bytes in the store to UploadCompleted, through both services and a bus, whatever becomes of the notifications."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from contracts.envelope import Envelope
from contracts.events import Constraints, Event, ObjectStored, Stage, UploadCompleted, UploadRegistered
from contracts.ids import TenantId, new_upload_id
from libs.messaging.local import LocalBus
from libs.messaging.port import Delivery, Outcome, Subscription
from libs.object_store.disk import DiskStore
from libs.postgres.database import Database
from libs.runtime.host import Host
from services.session import app as session
from services.session.settings import Settings as SessionSettings
from services.storage_notification import app as storage_notification
from services.storage_notification.settings import Settings as StorageNotificationSettings

TENANT = TenantId(uuid4())
Receive = Callable[[object], Awaitable[object]]


class Observed:
    """What passed over the bus, and a way to wait for it."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self._changed = asyncio.Event()

    async def __call__(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        self.envelopes += [delivery.envelope for delivery in deliveries]
        self._changed.set()
        return [None] * len(deliveries)

    def ids(self, event_class: type[Event]) -> Counter[object]:
        """Aggregates by how many different events of this class there were."""
        distinct = {envelope.id: envelope.event() for envelope in self.envelopes if envelope.type == event_class.type}
        return Counter(event.aggregate_id for event in distinct.values())

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()


@asynccontextmanager
async def running(dsn: str, folder: Path) -> AsyncIterator[tuple[LocalBus, DiskStore, Receive, Observed]]:
    """Both services with all their loops, as standalone runs them."""
    shared: dict[str, Any] = {"postgres_dsn": SecretStr(dsn), "ops_port": 0, "storage_grace_seconds": 0.2}
    shared |= {"storage_reconcile_seconds": 0.5}
    store = DiskStore(folder, "http://127.0.0.1:1", "secret")
    notification = storage_notification.build(StorageNotificationSettings(**shared), store)
    services = [notification, session.build(SessionSettings(**shared), store)]
    databases = {service.name: service.outbox.database for service in services}
    bus = LocalBus(databases | {"gateway": Database(dsn, "gateway")})
    observed = Observed()
    bus.subscribe(Subscription("gateway", (ObjectStored.type, UploadCompleted.type)), observed)
    host = Host(SessionSettings(**shared), services, bus, None)
    await host.start()
    try:
        yield bus, store, notification.receive, observed
    finally:
        await host.stop()


def registrations(count: int) -> list[UploadRegistered]:
    return [registration() for _ in range(count)]


def registration() -> UploadRegistered:
    upload_id, now = new_upload_id(), datetime.now(UTC)
    return UploadRegistered(
        upload_id=upload_id,
        tenant_id=TENANT,
        version=Stage.REGISTERED,
        dialect="json2video",
        staging_key=f"staging/{upload_id}/token",
        object_key=f"files/{upload_id}/original.bin",
        constraints=Constraints(max_size_bytes=100),
        registered_at=now,
        url_expires_at=now + timedelta(minutes=15),
        deadline_at=now + timedelta(hours=1),
    )


async def register(bus: LocalBus, uploads: Sequence[UploadRegistered]) -> None:
    envelopes = [Envelope.of(event, source="gateway", correlation_id="0" * 32) for event in uploads]
    assert list(await bus.publish([envelope.encode() for envelope in envelopes])) == [None] * len(uploads)


async def put(store: DiskStore, registered: UploadRegistered) -> dict[str, object]:
    """Stores bytes; the notice that a store would send."""

    async def content() -> AsyncIterator[bytes]:
        yield b"bytes"

    await store.write(registered.staging_key, content(), content_type="application/octet-stream")
    return {"eventName": "s3:ObjectCreated:Put", "s3": {"bucket": {"name": "b"}, "object": {"key": registered.staging_key}}}


@pytest.mark.parametrize("dropped", [0.2, 1.0])
async def test_every_upload_completes_once_though_notices_are_lost_repeated_shuffled_and_broken(
    database_dsn: str, tmp_path: Path, dropped: float
) -> None:
    # J-14
    chance = random.Random(3)
    uploads = registrations(60)
    async with running(database_dsn, tmp_path / "objects") as (bus, store, receive, observed):
        notices: list[object] = []
        early = uploads[:10]
        notices += [await put(store, registered) for registered in early]
        await asyncio.gather(*(receive({"Records": [notice]}) for notice in notices))
        await register(bus, uploads)
        notices += [await put(store, registered) for registered in uploads[10:]]
        sent = [notice for notice in notices for _ in range(chance.randint(1, 3)) if chance.random() >= dropped]
        sent += [None, {}, {"s3": {"bucket": {"name": "b"}, "object": {"key": "", "size": 0}}}, "text"]
        chance.shuffle(sent)
        await asyncio.gather(*(receive({"Records": sent[start : start + 7]}) for start in range(0, len(sent), 7)))

        async with asyncio.timeout(60):
            await observed.until(lambda: len(observed.ids(UploadCompleted)) == len(uploads))
            while [page async for page in store.list("staging/")]:  # accepted objects leave the staging area
                await asyncio.sleep(0.05)

    expected = Counter({registered.upload_id: 1 for registered in uploads})
    assert observed.ids(ObjectStored) == expected
    assert observed.ids(UploadCompleted) == expected


async def test_the_whole_way_from_notice_to_completed_belongs_to_the_trace_of_its_registration(
    database_dsn: str, tmp_path: Path
) -> None:
    registered = registration()
    trace_id = uuid4().hex
    async with running(database_dsn, tmp_path / "objects") as (bus, store, receive, observed):
        traceparent = f"00-{trace_id}-00f067aa0ba902b7-01"
        envelope = Envelope.of(registered, source="gateway", correlation_id=trace_id, traceparent=traceparent)
        assert list(await bus.publish([envelope.encode()])) == [None]
        await receive(await put(store, registered))
        async with asyncio.timeout(30):
            await observed.until(lambda: registered.upload_id in observed.ids(UploadCompleted))

    assert [envelope.type for envelope in observed.envelopes] == [ObjectStored.type, UploadCompleted.type]
    assert {envelope.correlation_id for envelope in observed.envelopes} == {trace_id}

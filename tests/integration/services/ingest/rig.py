"""An ingest service on a real database and a real store, driven like the bus does; its sources are on loopback."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from contracts.envelope import Envelope
from contracts.events import Event, FetchCompleted, FetchFailed, FetchProgressed, FetchRequested, Stage
from contracts.ids import TenantId, UploadId, new_upload_id
from libs.messaging.dispatch import consumer
from libs.messaging.port import Delivery
from libs.object_store.disk import DiskStore
from libs.object_store.port import ObjectInfo, ObjectStore
from libs.object_store.s3 import S3Store
from libs.runtime.host import supervise
from libs.runtime.service import Service
from services.ingest.app import build
from services.ingest.settings import Settings

TENANT = TenantId(UUID("5f0c7dbb-6e8c-4b71-8c55-0d1d64f4a001"))
TRACE = "0af7651916cd43dd8448eb211c80319c"
PATIENCE_SECONDS = 60
KEY = "A" * 43 + "="
"""Every worker, also one of another process, has it."""

E = TypeVar("E", bound=Event)
T = TypeVar("T")


class Rig:
    def __init__(self, service: Service, store: ObjectStore) -> None:
        self.service = service
        self.store = store
        self._deliver = consumer(service.outbox, service.handlers)

    async def hear(self, *events: Event) -> None:
        traceparent = f"00-{TRACE}-00f067aa0ba902b7-01"
        envelopes = [Envelope.of(event, source="test", correlation_id=TRACE, traceparent=traceparent) for event in events]
        assert await self._deliver([Delivery(envelope) for envelope in envelopes]) == [None] * len(events)

    async def request(self, url: str, **changes: Any) -> FetchRequested:
        event = requested(url, **changes)
        await self.hear(event)
        return event

    async def fetched(self, url: str, **changes: Any) -> tuple[FetchRequested, FetchCompleted | FetchFailed]:
        """Requests it and waits for the end."""
        event = await self.request(url, **changes)
        return event, await self.end(event)

    async def end(self, event: FetchRequested) -> FetchCompleted | FetchFailed:
        """The one event that says how it ended."""

        async def ends() -> list[FetchCompleted | FetchFailed]:
            return [told for told in await self.told(event) if isinstance(told, FetchCompleted | FetchFailed)]

        [end] = await until(ends)
        return end

    async def envelopes(self, event: FetchRequested) -> list[Envelope]:
        """What waits in the outbox about the upload; no relay takes it away."""
        async with self.service.outbox.database.connection() as connection:
            rows = await connection.fetch("SELECT unnest(envelopes) AS envelope FROM outbox ORDER BY id")
        found = [Envelope.model_validate_json(row["envelope"]) for row in rows]
        return [envelope for envelope in found if envelope.subject == str(event.upload_id)]

    async def told(self, event: FetchRequested) -> list[Event]:
        return [envelope.event() for envelope in await self.envelopes(event)]

    async def progress(self, event: FetchRequested) -> list[FetchProgressed]:
        return [told for told in await self.told(event) if isinstance(told, FetchProgressed)]

    async def row(self, event: FetchRequested) -> dict[str, Any]:
        async with self.service.outbox.database.connection() as connection:
            return dict(await connection.fetchrow("SELECT * FROM fetches WHERE upload_id = $1", event.upload_id) or {})

    async def state(self, event: FetchRequested) -> str | None:
        return (await self.row(event)).get("state")

    async def stored(self, event: FetchRequested) -> tuple[ObjectInfo, bytes] | None:
        info = await self.store.stat(event.staging_key)
        if info is None:
            return None
        return info, b"".join([piece async for piece in self.store.read(event.staging_key)])

    async def keys(self) -> list[str]:
        return [found.key async for page in self.store.list("staging/") for found in page]


def requested(url: str, **changes: Any) -> FetchRequested:
    upload_id: UploadId = new_upload_id()
    values = {
        "upload_id": upload_id,
        "tenant_id": TENANT,
        "version": Stage.REGISTERED,
        "source_url": url,
        "staging_key": f"staging/{upload_id}/token",
        "max_size_bytes": 1 << 30,
    }
    return FetchRequested.model_validate(values | changes)


def about(event: FetchRequested, kind: type[E], **fields: Any) -> E:
    """Another event about the same upload."""
    values = {"upload_id": event.upload_id, "tenant_id": event.tenant_id, "version": Stage.CLOSED}
    return kind.model_validate(values | fields)


def store_at(place: str) -> ObjectStore:
    """`place` is a folder, or a bucket in the form of the setting `s3_url`."""
    return S3Store.from_url(place) if place.startswith("http") else DiskStore(Path(place), "http://127.0.0.1:1", "not a secret")


@asynccontextmanager
async def running(dsn: str, store: ObjectStore, *, loops: bool = True, **settings: Any) -> AsyncIterator[Rig]:
    """A started ingest service on an open store, which it does not close."""
    given = {
        "postgres_dsn": dsn,
        "secret_key": KEY,
        "data_dir": "/nowhere",
        "egress_allow": "127.0.0.2/32",
        "ingest_lease_seconds": 1.5,
        "ingest_retry_seconds": 0.05,
        "ingest_poll_seconds": 0.1,
    }
    service = build(Settings.model_validate(given | settings), store)
    await service.outbox.database.open()
    own = [resource for resource in service.resources if resource is not store]
    for resource in own:
        await resource.open()
    tasks = [asyncio.create_task(supervise(name, loop)) for name, loop in service.loops.items()] if loops else []
    try:
        yield Rig(service, store)
    finally:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for resource in own:
            await resource.close()
        await service.outbox.database.close()


async def until(condition: Callable[[], Awaitable[T]]) -> T:
    """What `condition` answers once that is true."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (found := await condition()):
            await asyncio.sleep(0.02)
    return found

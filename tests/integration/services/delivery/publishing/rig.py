"""A delivery service on a real database and a real store, driven like the bus does; its destinations are on loopback."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import orjson

from contracts.envelope import Envelope
from contracts.events import (
    AccountConfigured,
    Event,
    PublicationChanged,
    PublicationRequested,
    Stage,
    StoredObject,
    UploadCompleted,
)
from contracts.ids import TenantId, UploadId, new_upload_id, publication_id
from libs.messaging.dispatch import consumer
from libs.messaging.port import Delivery
from libs.object_store.disk import DiskStore
from libs.object_store.port import ObjectStore
from libs.object_store.s3 import S3Store
from libs.runtime.host import supervise
from libs.runtime.secret import SecretBox
from libs.runtime.service import Service
from services.delivery.app import build
from services.delivery.settings import Settings
from tests.messages import handle
from tests.servers.destination import Destination
from tests.servers.youtube import settings as youtube_settings

TENANT = TenantId(UUID("5f0c7dbb-6e8c-4b71-8c55-0d1d64f4a001"))
TRACE = "0af7651916cd43dd8448eb211c80319c"
KEY = "c2VjcmV0LWtleS1vZi10aGUtdGVzdC0zMi1ieXRlcyE="
BOX = SecretBox(KEY)
PATIENCE_SECONDS = 60
BODY = bytes(range(256)) * 40
ROOT = Path(__file__).parents[5]

T = TypeVar("T")


class Rig:
    def __init__(self, service: Service, store: ObjectStore, folder: Path) -> None:
        self.service = service
        self.store = store
        self.published = folder / "published" / str(TENANT)
        self._deliver = consumer(service.outbox, service.handlers)

    async def hear(self, *events: Event) -> None:
        """The events as one batch of messages."""
        traceparent = f"00-{TRACE}-00f067aa0ba902b7-01"
        envelopes = [Envelope.of(event, source="test", correlation_id=TRACE, traceparent=traceparent) for event in events]
        assert await self._deliver([Delivery(envelope) for envelope in envelopes]) == [None] * len(events)

    async def hear_again(self, *events: Event) -> None:
        """Past the inbox."""
        for event in events:
            await handle(self.service.outbox, self.service.handlers, event)

    async def upload(self, body: bytes = BODY, upload_id: UploadId | None = None) -> UploadCompleted:
        """A verified file in the store, and the event that says so."""
        upload_id = upload_id or new_upload_id()
        key = f"files/{upload_id}/original.mp4"

        async def content() -> AsyncIterator[bytes]:
            yield body

        info = await self.store.write(key, content(), content_type="video/mp4")
        stored = StoredObject(
            key=key, size_bytes=len(body), etag=info.etag, content_type="video/mp4", stored_at=datetime.now(UTC)
        )
        return UploadCompleted(
            upload_id=upload_id, tenant_id=TENANT, version=Stage.CLOSED, object=stored, file_name="clip.mp4",
            completed_at=datetime.now(UTC),
        )  # fmt: skip

    async def publishes(self, *accounts: AccountConfigured, body: bytes = BODY, **changes: Any) -> PublicationRequested:
        """All that it takes, in order."""
        completed = await self.upload(body)
        event = requested(completed.upload_id, *accounts, **changes)
        await self.hear(*accounts, event, completed)
        return event

    async def told(self, event: PublicationRequested, account: AccountConfigured | None = None) -> list[PublicationChanged]:
        """What was said of the publication, in its order; no relay takes it away."""
        account_id = account.account_id if account else event.account_ids[0]
        return (await self.told_of_all()).get(publication_id(event.upload_id, account_id), [])

    async def told_of_all(self) -> dict[UUID, list[PublicationChanged]]:
        found: dict[UUID, list[PublicationChanged]] = {}
        for envelope in await self.envelopes():
            if isinstance(changed := envelope.event(), PublicationChanged):
                found.setdefault(changed.publication_id, []).append(changed)
        return {key: sorted(events, key=lambda event: event.sequence) for key, events in found.items()}

    async def envelopes(self) -> list[Envelope]:
        async with self.service.outbox.database.connection() as connection:
            rows = await connection.fetch("SELECT unnest(envelopes) AS envelope FROM outbox ORDER BY id")
        return [Envelope.model_validate_json(row["envelope"]) for row in rows]

    async def steps(self, event: PublicationRequested, account: AccountConfigured | None = None) -> list[str]:
        return [told.status for told in await self.told(event, account)]

    async def end(self, event: PublicationRequested, account: AccountConfigured | None = None) -> PublicationChanged:
        """The one event that says how it ended; it is the last one."""

        async def ends() -> list[PublicationChanged]:
            return [told for told in await self.told(event, account) if told.status in ("published", "failed")]

        [end] = await until(ends)
        told = await self.told(event, account)
        assert [one.sequence for one in told] == list(range(1, len(told) + 1))
        assert told[-1] == end
        return end

    async def row(self, event: PublicationRequested) -> dict[str, Any]:
        identity = publication_id(event.upload_id, event.account_ids[0])
        return (await self.rows("SELECT * FROM publications WHERE id = $1", identity) or [{}])[0]

    async def rows(self, query: str, *args: Any) -> list[dict[str, Any]]:
        async with self.service.outbox.database.connection() as connection:
            return [dict(row) for row in await connection.fetch(query, *args)]

    def files(self) -> list[Path]:
        """What lies, visible, in the folders of accounts."""
        return sorted(path for path in self.published.rglob("*") if path.is_file() and not path.name.startswith("."))


def account(kind: str, settings: dict[str, Any], *, revision: int = 1, **changes: Any) -> AccountConfigured:
    given = {
        "account_id": uuid4(),
        "tenant_id": TENANT,
        "revision": revision,
        "kind": kind,
        "name": "acme",
        "settings_encrypted": BOX.seal(orjson.dumps(settings).decode()),
    }
    return AccountConfigured.model_validate(given | changes)


def folder_account(path: str = "acme") -> AccountConfigured:
    return account("directory", {"path": path})


def url_account(destination: Destination) -> AccountConfigured:
    url = f"{destination.origin}/files/{{file_name}}"
    return account("http", {"url": url, "headers": {"Authorization": "Bearer token-of-acme"}})


def channel_account() -> AccountConfigured:
    """See `tests.servers.youtube`."""
    return account("youtube", youtube_settings())


def removed(configured: AccountConfigured) -> AccountConfigured:
    return configured.model_copy(update={"revision": configured.revision + 1, "removed": True})


def requested(upload_id: UploadId, *accounts: AccountConfigured, **changes: Any) -> PublicationRequested:
    given = {
        "upload_id": upload_id,
        "tenant_id": TENANT,
        "version": Stage.REGISTERED,
        "account_ids": [one.account_id for one in accounts],
        "title": "Summer",
    }
    return PublicationRequested.model_validate(given | changes)


def about(upload_id: UploadId, kind: type[Event], **fields: Any) -> Event:
    return kind.model_validate({"upload_id": upload_id, "tenant_id": TENANT, "version": Stage.CLOSED, **fields})


def store_at(place: str) -> ObjectStore:
    """`place` is a folder, or a bucket in the form of the setting `s3_url`."""
    return S3Store.from_url(place) if place.startswith("http") else DiskStore(Path(place), "http://127.0.0.1:1", "not a secret")


@asynccontextmanager
async def running(
    dsn: str, store: ObjectStore, folder: Path, *, loops: Sequence[str] = ("publications",), **settings: Any
) -> AsyncIterator[Rig]:
    """A started delivery service on an open store, which it does not close."""
    given = {
        "postgres_dsn": dsn,
        "secret_key": KEY,
        "data_dir": folder,
        "base_url": "https://uploads.test",
        "egress_allow": "127.0.0.0/8",
        "delivery_publication_schedule_seconds": "0,0.05,0.05,0.05",
        "delivery_publication_lease_seconds": 1.5,
        "delivery_poll_seconds": 0.1,
    }
    service = build(Settings.model_validate(given | settings), store)
    await service.outbox.database.open()
    own = [resource for resource in service.resources if resource is not store]
    for resource in own:
        await resource.open()
    tasks = [asyncio.create_task(supervise(name, service.loops[name])) for name in loops]
    try:
        yield Rig(service, store, folder)
    finally:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for resource in own:
            await resource.close()
        await service.outbox.database.close()


@asynccontextmanager
async def other_worker(dsn: str, place: str, folder: Path, **settings: Any) -> AsyncIterator[subprocess.Popen[bytes]]:
    """`running` in a process of its own, to be killed."""
    given = [f"{name}={value}" for name, value in settings.items()]
    command = [sys.executable, str(Path(__file__).with_name("worker_process.py")), dsn, place, str(folder), *given]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        while not (line := await asyncio.to_thread(process.stdout.readline)).strip().endswith(b"ready"):
            assert line, "the worker did not start"
        try:
            yield process
        finally:
            process.kill()


async def until(condition: Callable[[], Awaitable[T]], seconds: float = PATIENCE_SECONDS) -> T:
    """What `condition` answers once that is true."""
    async with asyncio.timeout(seconds):
        while not (found := await condition()):
            await asyncio.sleep(0.02)
    return found

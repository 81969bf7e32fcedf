"""A broker that confirms everything and loses all of it the first time: every upload reaches its end nevertheless."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from aiohttp import ClientSession
from pydantic import SecretStr

from contracts.envelope import EncodedEvent
from contracts.events import (
    AccountConfigured,
    DeliveryChanged,
    FileInspected,
    ObjectStored,
    ProcessingCompleted,
    TenantConfigured,
    UploadCompleted,
    UploadRegistered,
    WatchFolderConfigured,
)
from libs.messaging.local import LocalBus
from libs.object_store.disk import DiskStore
from libs.outbox.resend import Resend
from libs.runtime.host import Host
from libs.runtime.secret import new_key
from libs.runtime.service import Service
from services.delivery import app as delivery
from services.delivery.settings import Settings as DeliverySettings
from services.gateway import app as gateway
from services.gateway.settings import Settings as GatewaySettings
from services.session import app as session
from services.session.settings import Settings as SessionSettings
from services.storage_notification import app as storage_notification
from services.storage_notification.settings import Settings as StorageNotificationSettings
from services.transcoder import app as transcoder
from services.transcoder.settings import Settings as TranscoderSettings
from tests.integration.services.delivery.scene import receiver

AT_ONCE = (timedelta(0),)
"""One pass without a delay."""


class ForgetfulBus(LocalBus):
    """Confirms each event when it comes first, and delivers it only when it comes again."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.lost: dict[UUID, EncodedEvent] = {}
        self.delivered: dict[UUID, EncodedEvent] = {}
        self.losses = 0

    async def generation(self) -> str:
        return f"after {self.losses} losses"

    async def publish(self, envelopes: Sequence[EncodedEvent]) -> Sequence[Exception | None]:
        again = [envelope for envelope in envelopes if envelope.id in self.lost]
        self.lost |= {envelope.id: envelope for envelope in envelopes if envelope.id not in self.lost}
        answers = dict(zip((envelope.id for envelope in again), await super().publish(again), strict=True))
        self.delivered |= {envelope.id: envelope for envelope in again}
        return [answers.get(envelope.id) for envelope in envelopes]


class Platform:
    def __init__(self, services: Sequence[Service], store: DiskStore, bus: ForgetfulBus, url: str, folder: Path) -> None:
        self._services = services
        self._store = store
        self._url = url
        self._credentials = orjson.loads((folder / "credentials.json").read_bytes())
        self.gateway = services[0]
        self.bus = bus

    async def upload(self, content: bytes, callback_url: str) -> UUID:
        """Through the eachlabs API; the bytes lie at once where the client's PUT would put them."""
        headers = {"X-API-Key": str(self._credentials["api_key"])}
        body = {"owner": self._credentials["org"], "uploader": "customer", "callback_url": callback_url}
        async with ClientSession() as client, client.post(f"{self._url}/api/v1/uploads", json=body, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            upload_id = UUID((await answer.json())["id"])
        async with self.gateway.outbox.database.connection() as connection:
            staging_key = await connection.fetchval("SELECT staging_key FROM uploads WHERE id = $1", upload_id)

        async def chunks() -> AsyncIterator[bytes]:
            yield content

        await self._store.write(staging_key, chunks(), content_type="application/octet-stream")
        return upload_id

    async def state(self, upload_id: UUID) -> str:
        async with self.gateway.outbox.database.connection() as connection:
            return str(await connection.fetchval("SELECT state FROM uploads WHERE id = $1", upload_id))

    async def resend(self) -> None:
        """The broker has lost everything, and every service finds that."""
        self.bus.losses += 1
        for service in self._services:
            while await Resend(service.outbox, self.bus, AT_ONCE).once():
                pass


@asynccontextmanager
async def running(dsn: str, folder: Path) -> AsyncIterator[Platform]:
    """All services as they run with a broker: what is confirmed is kept."""
    shared: dict[str, Any] = {
        "postgres_dsn": SecretStr(dsn),
        "bus_url": SecretStr("amqp://127.0.0.1:1/"),
        "secret_key": SecretStr(new_key()),
        "data_dir": folder,
        "egress_allow": "127.0.0.0/8",
        "sandbox": "auto",
        "http_port": 0,
        "ops_port": 0,
        "postgres_pool": 4,
        "storage_grace_seconds": 0.2,
        "storage_reconcile_seconds": 0.2,
    }
    store = DiskStore(folder / "objects", "http://127.0.0.1:1", "secret")
    services = [
        gateway.build(GatewaySettings(**shared), store),
        storage_notification.build(StorageNotificationSettings(**shared), store),
        session.build(SessionSettings(**shared), store),
        transcoder.build(TranscoderSettings(**shared), store),
        delivery.build(DeliverySettings(**shared), store),
    ]
    bus = ForgetfulBus({service.name: service.outbox.database for service in services})
    host = Host(GatewaySettings(**shared), services, bus, services[0].web)
    await host.start()
    try:
        yield Platform(services, store, bus, f"http://127.0.0.1:{host.http_port}", folder)
    finally:
        await host.stop()


@pytest.mark.timeout(120)
async def test_an_upload_ends_and_is_announced_once_though_each_event_was_lost_after_its_confirmation(
    database_dsn: str, tmp_path: Path
) -> None:
    # Given a tenant that nobody has heard of, and an upload whose registration is lost too
    async with running(database_dsn, tmp_path) as platform, receiver() as hook, asyncio.timeout(90):
        upload_id = await platform.upload(b"some words", hook.url)
        # When what was confirmed is said again
        while await platform.state(upload_id) != "READY" or not hook.received:
            await platform.resend()
            await asyncio.sleep(0.1)
        # Then the receiver hears of the end, once, however often it all is repeated
        await platform.resend()
        assert [orjson.loads(received.body) for received in hook.received][1:] == []
        # and every repetition was the same event, word for word
        bus = platform.bus
    told = defaultdict(list)
    for event_id, envelope in bus.delivered.items():
        assert envelope == bus.lost[event_id]
        told[envelope.type].append(event_id)
    once = (TenantConfigured, UploadRegistered, ObjectStored, UploadCompleted, FileInspected, ProcessingCompleted)
    assert {event.type: len(told[event.type]) for event in once} == dict.fromkeys((event.type for event in once), 1)
    others = (AccountConfigured, WatchFolderConfigured, DeliveryChanged)
    assert set(told) <= {event.type for event in (*once, *others)}

"""From a URL to UploadCompleted or UploadRejected, through three services and a bus."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from pydantic import SecretStr

from contracts.envelope import Envelope
from contracts.events import (
    Constraints,
    FetchCompleted,
    FetchFailed,
    FetchRequested,
    ObjectStored,
    Stage,
    UploadCompleted,
    UploadRegistered,
    UploadRejected,
)
from contracts.ids import TenantId, new_upload_id
from libs.messaging.local import LocalBus
from libs.messaging.port import Subscription
from libs.object_store.disk import DiskStore
from libs.postgres.database import Database
from libs.runtime.host import Host
from libs.runtime.secret import new_key
from services.ingest import app as ingest
from services.ingest.settings import Settings as IngestSettings
from services.session import app as session
from services.session.settings import Settings as SessionSettings
from services.storage_notification import app as storage_notification
from services.storage_notification.settings import Settings as StorageNotificationSettings
from tests.integration.services.test_stored_to_completed import Observed
from tests.servers.source import head, ok, serving

TENANT = TenantId(uuid4())
ENDS = (FetchCompleted, FetchFailed, ObjectStored, UploadCompleted, UploadRejected)


@asynccontextmanager
async def running(dsn: str, store: DiskStore) -> AsyncIterator[tuple[LocalBus, Observed]]:
    shared: dict[str, Any] = {"postgres_dsn": SecretStr(dsn), "ops_port": 0, "egress_allow": "127.0.0.2/32"}
    services = [
        storage_notification.build(StorageNotificationSettings(**shared, storage_reconcile_seconds=0.5), store),
        session.build(SessionSettings(**shared), store),
        ingest.build(IngestSettings(**shared, secret_key=SecretStr(new_key()), ingest_retry_seconds=0.05), store),
    ]
    bus = LocalBus({service.name: service.outbox.database for service in services} | {"gateway": Database(dsn, "gateway")})
    observed = Observed()
    bus.subscribe(Subscription("gateway", tuple(event_class.type for event_class in ENDS)), observed)
    host = Host(SessionSettings(**shared), services, bus, None)
    await host.start()
    try:
        yield bus, observed
    finally:
        await host.stop()


def asked_for(url: str) -> tuple[UploadRegistered, FetchRequested]:
    """What the gateway says in one transaction."""
    upload_id, now = new_upload_id(), datetime.now(UTC)
    about = {"upload_id": upload_id, "tenant_id": TENANT, "version": Stage.REGISTERED}
    registered = about | {
        "dialect": "uploadcare",
        "transfer": "fetched",
        "staging_key": f"staging/{upload_id}/token",
        "object_key": f"files/{upload_id}/original",
        "constraints": Constraints(max_size_bytes=1000),
        "registered_at": now,
        "url_expires_at": now + timedelta(hours=1),
        "deadline_at": now + timedelta(hours=1),
    }
    fetch = about | {"source_url": url, "staging_key": registered["staging_key"], "max_size_bytes": 1000}
    return UploadRegistered.model_validate(registered), FetchRequested.model_validate(fetch)


async def test_each_url_becomes_a_file_or_a_rejected_upload(database_dsn: str, tmp_path: Path) -> None:
    # U-31, U-44
    store = DiskStore(tmp_path / "objects", "http://127.0.0.1:1", "secret")
    async with serving("127.0.0.2") as source, running(database_dsn, store) as (bus, observed):
        good = [asked_for(source.sends(f"/{number}", ok(b"content", "Content-Type: text/plain"))) for number in range(20)]
        bad = [asked_for(source.sends(f"/bad/{number}", head("404 x", "Content-Length: 0"))) for number in range(5)]
        # In either order: the two events travel in queues of their own
        events = [event for pair in (*good, *bad) for event in pair]
        for sent in (events[::2], events[1::2], events[1::2]):
            envelopes = [Envelope.of(event, source="gateway", correlation_id="0" * 32) for event in sent]
            assert list(await bus.publish([envelope.encode() for envelope in envelopes])) == [None] * len(sent)

        await observed.until(
            lambda: len(observed.ids(UploadCompleted)) == len(good) and len(observed.ids(UploadRejected)) == len(bad)
        )
        for registered, _ in good:
            info = await store.stat(registered.object_key)
            assert info is not None
            assert (info.size_bytes, info.content_type) == (7, "text/plain")
        assert {request.path for request in source.requests} == {f"/{number}" for number in range(20)} | {
            f"/bad/{number}" for number in range(5)
        }
        assert len(source.requests) == 25

    assert observed.ids(FetchCompleted) == observed.ids(UploadCompleted) == Counter({pair[0].upload_id: 1 for pair in good})
    assert observed.ids(FetchFailed) == observed.ids(UploadRejected) == Counter({pair[0].upload_id: 1 for pair in bad})
    rejections = [envelope.event() for envelope in observed.envelopes if envelope.type == UploadRejected.type]
    assert {(event.code, event.message) for event in rejections if isinstance(event, UploadRejected)} == {
        ("fetch_client_error", "404 Not Found")
    }

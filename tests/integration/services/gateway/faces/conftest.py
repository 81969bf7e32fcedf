"""The platform's API and file delivery over HTTP, on a real database and a real store."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal
from uuid import uuid4

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from contracts.events import (
    DeliveryChanged,
    Event,
    FileInspected,
    ImageInfo,
    ProcessingCompleted,
    Rendition,
    Stage,
    StoredObject,
    UploadCompleted,
)
from contracts.ids import TenantId, new_upload_id
from libs.egress.policy import Policy
from libs.object_store.disk import DiskStore
from libs.object_store.port import ObjectStore
from libs.outbox.unit_of_work import Outbox
from libs.runtime.secret import SecretBox, new_key
from libs.web.docs import documentation
from libs.web.server import application
from libs.web.signed_link import PURPOSE, LinkSigner
from services.gateway.auth import Authenticator, Operators, key_hash
from services.gateway.bearer import Bearers, TokenRules
from services.gateway.deps import Deps, Limits
from services.gateway.domain.registration import Registration
from services.gateway.files import routes as files
from services.gateway.files.caching import CachePolicy
from services.gateway.files.lookup import DATABASE_SECONDS, FileLookup
from services.gateway.files.object_cache import ObjectCache
from services.gateway.files.routes import FileDelivery
from services.gateway.files.send import FileSender
from services.gateway.files.transfer import FromFile
from services.gateway.handlers import HANDLERS
from services.gateway.platform import containers, projects, watch_folders, webhook_endpoints
from services.gateway.platform import routes as platform
from services.gateway.projects import Projects
from services.gateway.store import TenantStore
from services.gateway.store.private_token import holder_of_private_token
from services.gateway.store.tenant import Tenant
from services.gateway.usecases.register import Registrar
from services.gateway.usecases.submit import Submitter
from tests.messages import handle

BASE_URL = "http://files.test"
Client = TestClient[web.Request, web.Application]

INSPECTED_IMAGE = ImageInfo(format="png", width=4, height=3)


@dataclass
class Gateway:
    """Registers uploads, tells the projection what happened, and asks over HTTP."""

    outbox: Outbox
    store: ObjectStore
    client: Client
    secrets_box: SecretBox

    async def tenant(self, api_key: str) -> Tenant:
        tenant = Tenant(TenantId(uuid4()), "Test", f"org-{uuid4().hex}", f"c{uuid4().hex[:16]}", None, 1, "sealed")
        async with self.outbox.database.transaction() as connection:
            await TenantStore(connection).insert(tenant)
            await TenantStore(connection).insert_key(key_hash(api_key), tenant.id, "viewer", "test")
        return tenant

    async def register(
        self,
        tenant: Tenant,
        dialect: Literal["eachlabs", "json2video", "uploadcare"] = "eachlabs",
        *,
        content_type: str = "image/png",
        folder: str = "",
        name: str | None = None,
        extension: str = ".png",
        file_expires_at: datetime | None = None,
    ) -> Registration:
        now = datetime.now(UTC)
        new = Registration(
            id=new_upload_id(),
            tenant_id=tenant.id,
            dialect=dialect,
            registered_at=now,
            url_expires_at=now + timedelta(minutes=15),
            deadline_at=now + timedelta(minutes=30),
            file_expires_at=file_expires_at,
            content_type=content_type,
            max_size_bytes=10**9,
            folder=folder,
            name=name,
            holds_name=name is not None,
            extension=extension,
        )
        await Registrar(self.outbox, self.store).register(new)
        await self.happened(new.event())
        return new

    async def happened(self, *events: Event) -> None:
        for event in events:
            await handle(self.outbox, HANDLERS, event)

    async def completed(self, new: Registration, body: bytes) -> None:
        """The bytes lie under their final key and were verified."""

        async def chunks() -> AsyncIterator[bytes]:
            yield body

        info = await self.store.write(new.object_key, chunks(), content_type=new.content_type)
        stored = StoredObject(
            key=info.key,
            size_bytes=info.size_bytes,
            etag=info.etag,
            content_type=new.content_type,
            stored_at=info.modified_at,
        )
        await self.happened(
            UploadCompleted(
                upload_id=new.id,
                tenant_id=new.tenant_id,
                version=Stage.CLOSED,
                object=stored,
                completed_at=datetime.now(UTC),
            )
        )

    async def ready(
        self,
        new: Registration,
        mime_type: str = "image/png",
        renditions: tuple[Rendition, ...] = (),
        *,
        image: ImageInfo | None = INSPECTED_IMAGE,
    ) -> None:
        """Inspected and processed."""
        about = {"upload_id": new.id, "tenant_id": new.tenant_id}
        await self.happened(
            FileInspected.model_validate(
                {**about, "version": Stage.INSPECTED, "mime_type": mime_type, "size_bytes": 1, "image": image}
            ),
            ProcessingCompleted.model_validate(
                {
                    **about,
                    "version": Stage.PROCESSED,
                    "mime_type": mime_type,
                    "renditions": renditions,
                    "completed_at": datetime.now(UTC),
                }
            ),
        )

    async def published(self, tenant: Tenant, body: bytes, **registration: object) -> Registration:
        new = await self.register(tenant, **registration)  # type: ignore[arg-type]
        await self.completed(new, body)
        await self.ready(new, new.content_type)
        return new

    async def delivered(self, new: Registration, attempts: int, status: Literal["retrying", "delivered"]) -> None:
        await self.happened(
            DeliveryChanged(
                delivery_id=new.id,
                upload_id=new.id,
                tenant_id=new.tenant_id,
                target="receiver.test",
                status=status,
                attempts=attempts,
                changed_at=datetime.now(UTC),
            )
        )


@pytest.fixture
def lookup_seconds() -> float:
    """How long a file's request waits for the database."""
    return DATABASE_SECONDS


@pytest_asyncio.fixture
async def gateway(
    open_outbox: Callable[[str], Awaitable[Outbox]], tmp_path: Path, lookup_seconds: float
) -> AsyncIterator[Gateway]:
    outbox = await open_outbox("gateway")
    store = DiskStore(tmp_path / "objects", BASE_URL, "secret")
    await store.open()
    day = timedelta(days=1)
    secrets_box = SecretBox(new_key())
    deps = Deps(
        base_url=BASE_URL,
        outbox=outbox,
        auth=Authenticator(outbox.database, cache_seconds=0),
        private_tokens=Authenticator(outbox.database, cache_seconds=0, find=holder_of_private_token),
        bearers=Bearers(outbox.database, TokenRules("longshore", "longshore", ["s" * 32]), cache_seconds=0),
        operators=Operators(outbox.database),
        projects=Projects(outbox.database, secrets_box, cache_seconds=0),
        secrets_box=secrets_box,
        registrar=Registrar(outbox, store),
        submitter=Submitter(outbox),
        objects=store,
        egress=Policy(),
        limits=Limits(10**9, day, day, day, day, day, day, day, day, day, 2**17, 0, 0),
    )
    objects = ObjectCache(store, max_bytes=2**20)
    delivery = FileDelivery(
        FileLookup(outbox.database, timeout_seconds=lookup_seconds),
        store,
        FileSender(objects, FromFile(store, store), CachePolicy(3600)),
        LinkSigner(BASE_URL, secrets_box.derived(PURPOSE)),
        deps.clock,
    )
    apis = [face.api(deps) for face in (platform, projects, containers, watch_folders, webhook_endpoints)]
    apis.append(files.api(delivery))
    async with TestClient(TestServer(application([*apis, documentation(apis, title="Test", version="1")]))) as client:
        yield Gateway(outbox, store, client, secrets_box)
    await store.close()

"""The gateway as it is composed in production, on a real PostgreSQL and each kind of object store, reached over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import jwt
import pytest
import pytest_asyncio
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from pydantic import SecretStr

from contracts.envelope import Envelope
from contracts.events import (
    Event,
    FileDeleted,
    FileInspected,
    ObjectStored,
    ProcessingCompleted,
    Rendition,
    Stage,
    StoredObject,
    UploadCompleted,
)
from contracts.ids import TenantId, UploadId
from libs.object_store.disk import DiskStore
from libs.object_store.disk_http import storage_routes
from libs.object_store.port import ObjectStore
from libs.object_store.s3 import S3Store
from libs.outbox.unit_of_work import envelop
from libs.runtime.secret import SecretBox, new_key
from libs.runtime.service import Service
from services.gateway.app import build
from services.gateway.auth import key_hash, new_api_key
from services.gateway.domain.account import shown_id
from services.gateway.settings import Settings
from services.gateway.store import PrivateTokenStore, TenantStore
from services.gateway.store.tenant import Tenant
from services.gateway.usecases.account import link_account
from tests.servers import postgres, s3

BASE_URL = "https://uploads.example.com"
SECRET_KEY = new_key()
JWT_SECRET = "jwt-" + new_key()


class Clock:
    """The gateway's clock, which a test may turn forward."""

    def __init__(self) -> None:
        self.offset = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.offset


@dataclass
class Gateway:
    service: Service
    http: TestClient[Any, Any]
    tenant: Tenant
    keys: dict[str, str]
    """Role → API key of the tenant, and private token."""
    clock: Clock
    store: ObjectStore
    data_dir: Path
    accounts: list[str]
    """Two that are linked, as clients call them."""

    def token(self, **claims: Any) -> str:
        """A bearer token of the tenant's dashboard, or one that says otherwise; a claim of None is missing."""
        now = datetime.now(UTC)
        usual = {
            "iss": "longshore", "aud": "longshore", "sub": "somebody", "tenant": str(self.tenant.id), "role": "admin",
            "scope": "upload", "iat": now, "exp": now + timedelta(hours=1),
        }  # fmt: skip
        given = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        return jwt.encode(given, JWT_SECRET, algorithm="HS256")

    async def call(
        self, method: str, path: str, *, role: str | None = "admin", key: str | None = None, **options: Any
    ) -> ClientResponse:
        headers = dict(options.pop("headers", {}))
        if (api_key := key or (self.keys[role] if role else None)) is not None:
            headers["X-API-Key"] = api_key
        return await self.http.request(method, path, headers=headers, **options)

    async def emitted(self, event_type: type[Event]) -> list[Any]:
        """What the gateway has published so far of this type about the tenant, oldest first."""
        async with self.service.outbox.database.connection() as connection:
            rows = await connection.fetch("SELECT envelope FROM outbox ORDER BY id")
        envelopes = [Envelope.model_validate_json(row["envelope"]) for row in rows]
        tenant_id = str(self.tenant.id)
        of_tenant = [envelope for envelope in envelopes if envelope.data["tenant_id"] == tenant_id]
        return [envelope.event() for envelope in of_tenant if envelope.type == event_type.type]

    async def handle(self, *events: Event) -> None:
        """As if these had come from the bus, in this order."""
        for event in events:
            async with self.service.outbox.unit_of_work(cause=envelop(event, source="test")) as work:
                await self.service.handlers[type(event)](event, work)

    async def complete(self, upload_id: UUID | str, *, size_bytes: int = 1000, content_type: str = "video/mp4") -> None:
        await self.handle(*self.completion(upload_id, size_bytes=size_bytes, content_type=content_type))

    def completion(self, upload_id: UUID | str, *, size_bytes: int, content_type: str) -> Sequence[Event]:
        about = self.about(upload_id)
        stored = StoredObject(
            key=f"files/{about['upload_id']}/original", size_bytes=size_bytes, etag="e1", content_type=content_type,
            stored_at=datetime.now(UTC),
        )  # fmt: skip
        return (
            ObjectStored(**about, version=Stage.STORED, object=stored, noticed_by="notification"),
            UploadCompleted(**about, version=Stage.CLOSED, object=stored, completed_at=datetime.now(UTC)),
        )

    async def process(self, upload_id: UUID | str, *, mime_type: str = "video/mp4") -> None:
        """Inspected and processed, with a thumbnail."""
        about = self.about(upload_id)
        thumbnail = Rendition(
            name="thumbnail.jpg", kind="thumbnail", key=f"files/{about['upload_id']}/renditions/thumbnail.jpg",
            content_type="image/jpeg", size_bytes=10, width=320, height=180,
        )  # fmt: skip
        await self.handle(
            FileInspected(**about, version=Stage.INSPECTED, mime_type=mime_type, size_bytes=1000),
            ProcessingCompleted(
                **about, version=Stage.PROCESSED, mime_type=mime_type, renditions=(thumbnail,), completed_at=datetime.now(UTC)
            ),
        )

    async def put(self, key: str) -> None:
        """Bytes that a client sent; the gateway is not told."""

        async def body() -> AsyncIterator[bytes]:
            yield b"bytes"

        await self.store.write(key, body(), content_type="video/mp4")

    async def remove(self, upload_id: UUID | str) -> None:
        await self.handle(FileDeleted(**self.about(upload_id), version=Stage.REMOVED))

    def about(self, upload_id: UUID | str) -> dict[str, Any]:
        return {"upload_id": UploadId(UUID(str(upload_id))), "tenant_id": self.tenant.id}

    async def sql(self, statement: str, *values: object) -> None:
        async with self.service.outbox.database.connection() as connection:
            await connection.execute(statement, *values)


@pytest.fixture(scope="module")
def database_dsn(postgres_dsn: str) -> Iterator[str]:
    """One database for a module: each test is a tenant of its own in it."""
    name = f"dialects_{uuid4().hex}"
    asyncio.run(_execute(postgres_dsn, f"CREATE DATABASE {name} TEMPLATE {postgres.TEMPLATE} STRATEGY FILE_COPY"))
    yield postgres.database_dsn(postgres_dsn, name)
    asyncio.run(_execute(postgres_dsn, f"DROP DATABASE {name} WITH (FORCE)"))


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn, timeout=10)
    await connection.execute(statement)
    await connection.close()


@pytest.fixture(params=["disk", "s3"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], ObjectStore]:
    """A store of each kind: every statement of an API holds on both."""
    if request.param == "disk":
        return lambda: DiskStore(tmp_path / "objects", BASE_URL, "disk-secret")
    s3_url = s3.bucket_url(request.getfixturevalue("s3_server"))
    return lambda: S3Store.from_url(s3_url)


@pytest_asyncio.fixture
async def make_gateway(
    database_dsn: str, tmp_path: Path, make_store: Callable[[], ObjectStore]
) -> AsyncIterator[Callable[..., Any]]:
    """`await make_gateway(egress_allow="…")`: a gateway with these settings; `port`: there, and its answers say so."""
    async with AsyncExitStack() as opened:
        count = 0

        async def make(**settings: Any) -> Gateway:
            nonlocal count
            count += 1
            port = settings.pop("port", None)
            chosen = Settings(
                postgres_dsn=SecretStr(settings.pop("postgres_dsn", database_dsn)),
                secret_key=SecretStr(SECRET_KEY),
                data_dir=tmp_path / f"data{count}",
                **{
                    "base_url": BASE_URL if port is None else f"http://127.0.0.1:{port}",
                    "gateway_key_cache_seconds": 0,
                    "gateway_jwt_secret": SecretStr(JWT_SECRET),
                    **settings,
                },
            )
            store = make_store()
            clock = Clock()
            service = build(chosen, store, clock=clock)
            await service.outbox.database.open()
            opened.push_async_callback(service.outbox.database.close)
            for resource in service.resources:
                await resource.open()
                opened.push_async_callback(resource.close)
            tenant, keys = await add_tenant(service)
            assert service.web is not None
            if isinstance(store, DiskStore):
                service.web.add_routes(storage_routes(store))
            http: TestClient[Any, Any] = TestClient(TestServer(service.web, port=port))
            await http.start_server()
            opened.push_async_callback(http.close)
            return Gateway(service, http, tenant, keys, clock, store, chosen.data_dir, await link_accounts(service, tenant.id))

        yield make


@pytest_asyncio.fixture
async def gateway(make_gateway: Callable[..., Any]) -> Gateway:
    made: Gateway = await make_gateway()
    return made


async def add_tenant(service: Service) -> tuple[Tenant, dict[str, str]]:
    unique = uuid4().hex[:16]
    tenant = Tenant(TenantId(uuid4()), "Test", f"org-{unique}", f"c{unique}", None, 1, "sealed")
    keys = {role: new_api_key() for role in ("viewer", "render", "editor", "manager", "admin")}
    async with service.outbox.database.transaction() as connection:
        store = TenantStore(connection)
        await store.insert(tenant)
        for role, api_key in keys.items():
            await store.insert_key(key_hash(api_key), tenant.id, role, role)
            await PrivateTokenStore(connection).insert(key_hash(api_key), tenant.id, role, role)
    return tenant, keys


async def link_accounts(service: Service, tenant_id: TenantId, *, count: int = 2, quota_limit: int | None = None) -> list[str]:
    linked = []
    async with service.outbox.unit_of_work() as work:
        for number in range(count):
            account = await link_account(
                work, SecretBox(SECRET_KEY), tenant_id, kind="directory", name=f"Folder {number}",
                settings={"path": f"folder-{number}"}, quota_limit=quota_limit, now=datetime.now(UTC),
            )  # fmt: skip
            linked.append(shown_id(account.id))
    return linked

"""The gateway on a real PostgreSQL and each kind of object store, reached over HTTP: as it is deployed, or composed here."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence, Set
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

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
from libs.runtime.secret import SecretBox, new_key
from libs.runtime.service import Service
from services.gateway.app import build
from services.gateway.auth import key_hash, new_api_key
from services.gateway.domain.account import shown_id
from services.gateway.settings import Settings
from services.gateway.store import PrivateTokenStore, TenantStore
from services.gateway.store.tenant import Tenant
from services.gateway.usecases.account import link_account
from tests.contract.dialects import deployed
from tests.messages import handle
from tests.servers import postgres, s3

BASE_URL = "https://uploads.example.com"
SECRET_KEY = new_key()
JWT_SECRET = "jwt-" + new_key()
SETTINGS = {
    "LONGSHORE_BASE_URL": BASE_URL,
    "LONGSHORE_SECRET_KEY": SECRET_KEY,
    "LONGSHORE_GATEWAY_KEY_CACHE_SECONDS": "0",
    "LONGSHORE_GATEWAY_JWT_SECRET": JWT_SECRET,
}
"""Of a gateway in a process of its own."""


class Clock:
    """The gateway's clock, which a test may turn forward."""

    def __init__(self) -> None:
        self.offset = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.offset


class NoClock(Clock):
    """That of another process: nobody turns it."""

    def __setattr__(self, name: str, value: Any) -> None:
        assert value == timedelta(), "mark the test `composed`: it turns the clock"
        super().__setattr__(name, value)


@dataclass(frozen=True)
class Here:
    """In the test's own process, with a store of the test's own."""

    dsn: str
    open_store: Callable[[], ObjectStore]


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
    events: str = "SELECT unnest(envelopes) AS envelope FROM outbox ORDER BY id"
    """Reads what the gateway publishes, oldest first."""
    before: Set[str] = frozenset()
    """Keys in staging that earlier tests have left."""

    def token(self, **claims: Any) -> str:
        """A bearer token of the tenant's dashboard, or one that says otherwise; a claim of None is missing."""
        now = datetime.now(UTC)
        usual = {
            "iss": "longshore", "aud": "longshore", "sub": "somebody", "tenant": str(self.tenant.id), "role": "admin",
            "scope": "dashboard", "iat": now, "exp": now + timedelta(hours=1),
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
            rows = await connection.fetch(self.events)
        envelopes = [Envelope.model_validate_json(row["envelope"]) for row in rows]
        tenant_id = str(self.tenant.id)
        of_tenant = [envelope for envelope in envelopes if envelope.data["tenant_id"] == tenant_id]
        return [envelope.event() for envelope in of_tenant if envelope.type == event_type.type]

    async def handle(self, *events: Event) -> None:
        """As if these had come from the bus, in this order."""
        for event in events:
            await handle(self.service.outbox, self.service.handlers, event)

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

    def here(self, url: str) -> str:
        """The gateway's own address as it can be reached from here."""
        return url.replace(BASE_URL, str(self.http.make_url("/")).rstrip("/"))

    async def put(self, key: str) -> None:
        """Bytes that a client sent; the gateway is not told."""

        async def body() -> AsyncIterator[bytes]:
            yield b"bytes"

        await self.store.write(key, body(), content_type="video/mp4")

    async def remove(self, upload_id: UUID | str) -> None:
        await self.handle(FileDeleted(**self.about(upload_id), version=Stage.REMOVED))

    async def staged(self) -> list[str]:
        """Keys of what the test has left in staging so far."""
        return [found.key async for page in self.store.list("staging/") for found in page if found.key not in self.before]

    async def open_multiparts(self) -> list[str]:
        """Their keys, of those that the test has opened."""
        pages = self.store.list_multiparts("staging/")
        return [found.key async for page in pages for found in page if found.key not in self.before]

    def about(self, upload_id: UUID | str) -> dict[str, Any]:
        return {"upload_id": UploadId(UUID(str(upload_id))), "tenant_id": self.tenant.id}

    @asynccontextmanager
    async def broken(self) -> AsyncIterator[None]:
        """Nothing can be registered, for a reason that nobody has thought of."""
        await self.sql("ALTER TABLE uploads RENAME TO lost_uploads")
        yield
        await self.sql("ALTER TABLE lost_uploads RENAME TO uploads")

    async def sql(self, statement: str, *values: object) -> None:
        async with self.service.outbox.database.connection() as connection:
            await connection.execute(statement, *values)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every statement of an API holds on each store and in each form of the platform.

    A test that only calls and is told what happened meets the gateway as it is deployed. One that is marked `composed`, or
    makes a gateway of its own or patches parts of it, has it composed in its own process, on each store.
    """
    if "place" in metafunc.fixturenames:
        inside = {"make_gateway", "monkeypatch"} & set(metafunc.fixturenames)
        composed = inside or metafunc.definition.get_closest_marker("composed")
        metafunc.parametrize("place", ["disk", "s3"] if composed else ["standalone", "processes"], indirect=True)


@pytest.fixture(scope="module")
def database_dsn(postgres_dsn: str) -> Iterator[str]:
    """One database for a module: each test is a tenant of its own in it."""
    with postgres.cleared_database(postgres_dsn) as dsn:
        yield dsn


@pytest.fixture(scope="session")
def standalone(postgres_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[deployed.Deployed]:
    with deployed.standalone(tmp_path_factory.mktemp("standalone"), postgres_dsn, **SETTINGS) as running:
        yield running


@pytest.fixture(scope="session")
def processes(postgres_dsn: str, s3_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[deployed.Deployed]:
    with deployed.processes(tmp_path_factory.mktemp("processes"), postgres_dsn, s3_server, **SETTINGS) as running:
        yield running


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> deployed.Deployed | Here:
    """Where the gateway runs."""
    if request.param in ("standalone", "processes"):
        running: deployed.Deployed = request.getfixturevalue(request.param)
        return running
    dsn = request.getfixturevalue("database_dsn")
    if request.param == "disk":
        return Here(dsn, lambda: DiskStore(tmp_path / "objects", BASE_URL, "disk-secret"))
    s3_url = s3.bucket_url(request.getfixturevalue("s3_server"))
    return Here(dsn, lambda: S3Store.from_url(s3_url))


@pytest_asyncio.fixture
async def opened() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest_asyncio.fixture
async def make_gateway(tmp_path: Path, place: Here, opened: AsyncExitStack) -> Callable[..., Any]:
    """`await make_gateway(egress_allow="…")`: a gateway with these settings; `port`: there, and its answers say so."""
    count = 0

    async def make(**settings: Any) -> Gateway:
        nonlocal count
        count += 1
        return await compose(opened, place, tmp_path / f"data{count}", **settings)

    return make


@pytest_asyncio.fixture
async def gateway(tmp_path: Path, place: deployed.Deployed | Here, opened: AsyncExitStack) -> Gateway:
    if isinstance(place, Here):
        return await compose(opened, place, tmp_path / "data")
    return await reach(opened, place)


async def compose(opened: AsyncExitStack, place: Here, data_dir: Path, **settings: Any) -> Gateway:
    """The gateway as its composition root makes it, in this process."""
    store, port = place.open_store(), settings.pop("port", None)
    chosen = Settings(
        postgres_dsn=SecretStr(settings.pop("postgres_dsn", place.dsn)),
        secret_key=SecretStr(SECRET_KEY),
        data_dir=data_dir,
        **{
            "base_url": BASE_URL if port is None else f"http://127.0.0.1:{port}",
            "gateway_key_cache_seconds": 0,
            "gateway_jwt_secret": SecretStr(JWT_SECRET),
            **settings,
        },
    )
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
    return Gateway(service, http, tenant, keys, clock, store, data_dir, await link_accounts(service, tenant.id))


async def reach(opened: AsyncExitStack, running: deployed.Deployed) -> Gateway:
    """The gateway of a platform that runs, with a tenant of the test's own.

    What a test does by hand goes past it, as that of another replica: the database and the store are the same.
    """
    service = running.replica()
    await service.outbox.database.open()
    opened.push_async_callback(service.outbox.database.close)
    store = running.open_store()
    await store.open()
    opened.push_async_callback(store.close)
    tenant, keys = await add_tenant(service)
    http: TestClient[Any, Any] = TestClient(deployed.Elsewhere(running.url))
    opened.push_async_callback(http.close)
    accounts = await link_accounts(service, tenant.id)
    reached = Gateway(
        service,
        http,
        tenant,
        keys,
        NoClock(),
        store,
        running.data_dir,
        accounts,
        events="SELECT envelope FROM every_event ORDER BY id",
    )
    return replace(reached, before={*await reached.staged(), *await reached.open_multiparts()})


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

"""The first start: a demo tenant with a project, a watch folder and two accounts, tokens, and the file that tells it all.

Safe to run at every start and by several replicas at once: whoever finds no tenant makes it, the keys and the file. The API
key and the tokens exist only in that file. Where they are lost or stand for nothing (restored database), an installation that
is one process replaces them (`recovers`); a service beside others says no more than that the credentials were written
elsewhere.
"""

import asyncio
import os
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import structlog

from contracts.events import TenantConfigured
from contracts.ids import TenantId, new_id
from libs.outbox.unit_of_work import Outbox, UnitOfWork
from libs.runtime.secret import SecretBox
from services.gateway.auth import key_hash, new_api_key, new_operator_token, new_private_token
from services.gateway.bearer import Bearers
from services.gateway.domain.account import AccountId, shown_id
from services.gateway.domain.container import WatchFolder, WatchFolderId
from services.gateway.domain.project import Project, ProjectId, ProjectStatus, new_public_key, new_secret_key
from services.gateway.domain.role import Role, Scope
from services.gateway.domain.webhook_endpoint import new_webhook_secret
from services.gateway.store import (
    AccountStore,
    OperatorStore,
    PrivateTokenStore,
    ProjectStore,
    TenantStore,
    WatchFolderStore,
)
from services.gateway.store.private_token import holder_of_private_token
from services.gateway.store.tenant import Tenant
from services.gateway.usecases.account import link_account
from services.gateway.usecases.watch_folder import add_watch_folder

KEY_NAME = "bootstrap"
DEMO_ACCOUNTS = ("demo-one", "demo-two")
SCOPE = f"{Scope.UPLOAD} {Scope.DASHBOARD}"
"""Of MediaLab's OAuth2 (part 2.1)."""
TOKEN_LIFE = timedelta(days=3650)

log = structlog.get_logger()


@dataclass(frozen=True)
class Credentials:
    """`<data dir>/credentials.json`."""

    base_url: str
    ops_url: str
    tenant_id: str
    client_id: str
    org: str
    api_key: str
    webhook_secret: str
    public_key: str
    secret_key: str
    admin_token: str
    private_token: str
    bearer_token: str
    """Of the tenant's dashboard; empty where tokens come from elsewhere alone."""
    accounts: list[str]
    """To publish to."""
    watch_folder: str
    """What is put there where ingest runs becomes an upload."""


@dataclass(frozen=True)
class Keys:
    """What cannot be read back from the database."""

    api_key: str
    admin_token: str
    private_token: str
    bearer_token: str


class Bootstrap:
    """A resource of the service: opened when the database is there, before anything is served."""

    def __init__(
        self,
        outbox: Outbox,
        secrets_box: SecretBox,
        bearers: Bearers,
        path: Path,
        *,
        base_url: str,
        ops_url: str,
        max_file_size_bytes: int,
        watch_root: Path,
        recovers: bool = False,
    ) -> None:
        self._outbox = outbox
        self._secrets_box = secrets_box
        self._bearers = bearers
        self._path = path
        self._base_url = base_url
        self._ops_url = ops_url
        self._max_file_size_bytes = max_file_size_bytes
        self._watch_root = watch_root
        self._recovers = recovers

    async def open(self) -> None:
        async with self._outbox.unit_of_work() as work:
            store = TenantStore(work.connection)
            await store.lock_first_start()
            tenant = await store.first()
            is_new = tenant is None
            if tenant is None:
                tenant = await create_tenant(work, self._secrets_box, "Demo")
            project = await self._project(ProjectStore(work.connection), tenant)
            watched = await self._watch_folder(work, tenant)
            accounts = await self._accounts(work, tenant)
            keys = await self._keys(work, tenant, is_new=is_new)
            if keys is None:
                log.info("bootstrap.credentials_elsewhere", tenant_id=str(tenant.id), path=str(self._path))
                return
            # Written before the commit: a file whose key is not in the database is noticed at the next start.
            await asyncio.to_thread(_write, self._path, self._credentials(tenant, project, accounts, watched, keys))

    async def close(self) -> None:
        pass

    async def check(self) -> None:
        pass

    async def _project(self, store: ProjectStore, tenant: Tenant) -> Project:
        """The tenant's first one, made where there is none."""
        project = await store.first(tenant.id)
        if project is None:
            secret_sealed = self._secrets_box.seal(new_secret_key())
            project = demo_project(tenant.id, secret_sealed, self._max_file_size_bytes, datetime.now(UTC))
            await store.insert(project)
        return project

    async def _watch_folder(self, work: UnitOfWork, tenant: Tenant) -> WatchFolder:
        """The tenant's first directory, made where there is none."""
        folder = await WatchFolderStore(work.connection).first_directory(tenant.id)
        if folder is None:
            folder = demo_watch_folder(tenant.id, datetime.now(UTC))
            await add_watch_folder(work, self._secrets_box, folder, None)
        return folder

    async def _accounts(self, work: UnitOfWork, tenant: Tenant) -> list[AccountId]:
        """The tenant's first ones; folders where it never had any."""
        store = AccountStore(work.connection)
        if not await store.had_any(tenant.id):
            for number, name in enumerate(DEMO_ACCOUNTS):
                now = datetime.now(UTC) + timedelta(microseconds=number)  # keeps their order
                await link_account(
                    work, self._secrets_box, tenant.id, kind="directory", name=name, settings={"path": name},
                    quota_limit=None, now=now,
                )  # fmt: skip
        return await store.first(tenant.id, len(DEMO_ACCOUNTS))

    async def _bearer_token(self, known: str | None, tenant: Tenant) -> str:
        """That of the file as long as it is valid; empty where none can be made here."""
        if not self._bearers.issues:
            return ""
        if known and await self._bearers.is_valid(known, tenant.id, *Scope):
            return known
        return self._bearers.issue(
            subject=KEY_NAME, tenant_id=tenant.id, role=Role.ADMIN, scope=SCOPE, now=datetime.now(UTC), lives=TOKEN_LIFE
        )

    async def _keys(self, work: UnitOfWork, tenant: Tenant, *, is_new: bool) -> Keys | None:
        """Those of the file, or new ones where they may be made here."""
        tenants, operators = TenantStore(work.connection), OperatorStore(work.connection)
        known = await asyncio.to_thread(_read, self._path)
        api_key = known.get("api_key")
        holder = await tenants.holder_of_key(key_hash(api_key)) if api_key else None
        if api_key is None or holder is None or holder.tenant_id != tenant.id:
            if not (is_new or self._recovers):
                return None
            await tenants.revoke_keys(tenant.id, KEY_NAME)
            api_key = new_api_key()
            await tenants.insert_key(key_hash(api_key), tenant.id, "admin", KEY_NAME)
        admin_token = known.get("admin_token")
        if admin_token is None or not await operators.is_token(key_hash(admin_token)):
            await operators.revoke_tokens(KEY_NAME)
            admin_token = new_operator_token()
            await operators.insert_token(key_hash(admin_token), KEY_NAME)
        private_token = await _private_token(work, tenant, known.get("private_token"))
        return Keys(api_key, admin_token, private_token, await self._bearer_token(known.get("bearer_token"), tenant))

    def _credentials(
        self, tenant: Tenant, project: Project, accounts: Sequence[AccountId], watched: WatchFolder, keys: Keys
    ) -> Credentials:
        return Credentials(
            base_url=self._base_url,
            ops_url=self._ops_url,
            tenant_id=str(tenant.id),
            client_id=tenant.client_id,
            org=tenant.org,
            api_key=keys.api_key,
            webhook_secret=self._secrets_box.open(tenant.webhook_secret_sealed),
            public_key=project.public_key,
            secret_key=self._secrets_box.open(project.secret_sealed),
            admin_token=keys.admin_token,
            private_token=keys.private_token,
            bearer_token=keys.bearer_token,
            accounts=[shown_id(account_id) for account_id in accounts],
            watch_folder=str(self._watch_root / (watched.path or "")),
        )


async def _private_token(work: UnitOfWork, tenant: Tenant, known: str | None) -> str:
    """The known one where it is still the tenant's, or else a new one in its place."""
    holder = await holder_of_private_token(work.connection, key_hash(known)) if known else None
    if known is not None and holder is not None and holder.tenant_id == tenant.id:
        return known
    store, token = PrivateTokenStore(work.connection), new_private_token()
    await store.revoke(tenant.id, KEY_NAME)
    await store.insert(key_hash(token), tenant.id, "admin", KEY_NAME)
    return token


def demo_project(tenant_id: TenantId, secret_sealed: str, max_file_size_bytes: int, now: datetime) -> Project:
    """Open to everybody who knows its public key: no signatures, no rate limit, any type."""
    return Project(
        id=ProjectId(new_id()),
        tenant_id=tenant_id,
        name="Demo",
        public_key=new_public_key(),
        secret_sealed=secret_sealed,
        signed_uploads=False,
        auto_store=True,
        max_file_size_bytes=max_file_size_bytes,
        rate_limit=None,
        allowed_types=(),
        forbidden_types=(),
        allowed_origins=(),
        status=ProjectStatus.ACTIVE,
        created_at=now,
        updated_at=now,
    )


def demo_watch_folder(tenant_id: TenantId, now: datetime) -> WatchFolder:
    return WatchFolder(
        id=WatchFolderId(new_id()),
        tenant_id=tenant_id,
        kind="directory",
        name="Demo",
        path="demo",
        container_id=None,
        prefix=None,
        on_success="delete",
        created_at=now,
    )


async def create_tenant(work: UnitOfWork, secrets_box: SecretBox, name: str) -> Tenant:
    """A tenant with names and a webhook secret of its own, and no API key yet."""
    secret = new_webhook_secret()
    tenant = Tenant(
        id=TenantId(new_id()),
        name=name,
        org=f"org-{secrets.token_hex(8)}",
        client_id=f"c{secrets.token_hex(8)}",
        storage_blocked_at=None,
        revision=1,
        webhook_secret_sealed=secrets_box.seal(secret),
    )
    await TenantStore(work.connection).insert(tenant)
    work.emit(
        TenantConfigured(
            tenant_id=tenant.id,
            revision=tenant.revision,
            name=tenant.name,
            webhook_secret_encrypted=tenant.webhook_secret_sealed,
        )
    )
    log.info("tenant.created", tenant_id=str(tenant.id), org=tenant.org)
    return tenant


def _read(path: Path) -> dict[str, str]:
    """What the file says, as far as it can be read."""
    try:
        content = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return {name: value for name, value in content.items() if isinstance(value, str)} if isinstance(content, dict) else {}


def _write(path: Path, credentials: Credentials) -> None:
    """Replaces the file as a whole; nobody else may read it at any moment."""
    content = orjson.dumps(asdict(credentials), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    if path.exists() and path.read_bytes() == content:
        path.chmod(0o600)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise

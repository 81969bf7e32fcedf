"""The first start: a demo tenant with a project, an operator's token, and the file that tells the credentials.

Safe to run at every start and by several replicas at once: whoever finds no tenant makes it, the keys and the file. The API
key and the operator's token exist only in that file. Where they are lost or stand for nothing (restored database), an
installation that is one process replaces them (`recovers`); a service beside others says no more than that the credentials
were written elsewhere.
"""

import asyncio
import os
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import orjson
import structlog

from contracts.events import TenantConfigured
from contracts.ids import TenantId
from libs.outbox.unit_of_work import Outbox, UnitOfWork
from libs.runtime.secret import SecretBox
from services.gateway.auth import key_hash, new_api_key, new_operator_token
from services.gateway.domain.project import Project, ProjectId, ProjectStatus, new_public_key, new_secret_key
from services.gateway.domain.webhook_endpoint import new_webhook_secret
from services.gateway.store import OperatorStore, ProjectStore, TenantStore
from services.gateway.store.tenant import Tenant

KEY_NAME = "bootstrap"

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


@dataclass(frozen=True)
class Keys:
    """What cannot be read back from the database."""

    api_key: str
    admin_token: str


class Bootstrap:
    """A resource of the service: opened when the database is there, before anything is served."""

    def __init__(
        self,
        outbox: Outbox,
        secrets_box: SecretBox,
        path: Path,
        *,
        base_url: str,
        ops_url: str,
        max_file_size_bytes: int,
        recovers: bool = False,
    ) -> None:
        self._outbox = outbox
        self._secrets_box = secrets_box
        self._path = path
        self._base_url = base_url
        self._ops_url = ops_url
        self._max_file_size_bytes = max_file_size_bytes
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
            keys = await self._keys(work, tenant, is_new=is_new)
            if keys is None:
                log.info("bootstrap.credentials_elsewhere", tenant_id=str(tenant.id), path=str(self._path))
                return
            # Written before the commit: a file whose key is not in the database is noticed at the next start.
            await asyncio.to_thread(_write, self._path, self._credentials(tenant, project, keys))

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
        return Keys(api_key, admin_token)

    def _credentials(self, tenant: Tenant, project: Project, keys: Keys) -> Credentials:
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
        )


def demo_project(tenant_id: TenantId, secret_sealed: str, max_file_size_bytes: int, now: datetime) -> Project:
    """Open to everybody who knows its public key: no signatures, no rate limit, any type."""
    return Project(
        id=ProjectId(uuid4()),
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


async def create_tenant(work: UnitOfWork, secrets_box: SecretBox, name: str) -> Tenant:
    """A tenant with names and a webhook secret of its own, and no API key yet."""
    secret = new_webhook_secret()
    tenant = Tenant(
        id=TenantId(uuid4()),
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

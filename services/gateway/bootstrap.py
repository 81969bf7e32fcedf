"""The first start: a demo tenant and the file that tells its credentials.

Safe to run at every start and by several replicas at once: whoever finds no tenant makes it, the key and the file. The API
key itself exists only in that file. Where it is lost or stands for nothing (restored database), an installation that is one
process replaces it (`recovers`); a service beside others says no more than that the credentials were written elsewhere.
"""

import asyncio
import base64
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

import orjson
import structlog

from contracts.events import TenantConfigured
from contracts.ids import TenantId
from libs.outbox.unit_of_work import Outbox, UnitOfWork
from libs.runtime.secret import SecretBox
from services.gateway.auth import key_hash, new_api_key
from services.gateway.store import TenantStore
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


class Bootstrap:
    """A resource of the service: opened when the database is there, before anything is served."""

    def __init__(
        self, outbox: Outbox, secrets_box: SecretBox, path: Path, *, base_url: str, ops_url: str, recovers: bool = False
    ) -> None:
        self._outbox = outbox
        self._secrets_box = secrets_box
        self._path = path
        self._base_url = base_url
        self._ops_url = ops_url
        self._recovers = recovers

    async def open(self) -> None:
        async with self._outbox.unit_of_work() as work:
            store = TenantStore(work.connection)
            await store.lock_first_start()
            tenant = await store.first()
            if tenant is None:
                tenant = await create_tenant(work, self._secrets_box, "Demo")
                api_key = await _new_key(store, tenant.id)
            elif (known := await self._known_key(store, tenant.id)) is not None:
                api_key = known
            elif self._recovers:
                await store.revoke_keys(tenant.id, KEY_NAME)
                api_key = await _new_key(store, tenant.id)
            else:
                log.info("bootstrap.credentials_elsewhere", tenant_id=str(tenant.id), path=str(self._path))
                return
            # Written before the commit: a file whose key is not in the database is noticed at the next start.
            await asyncio.to_thread(_write, self._path, self._credentials(tenant, api_key))

    async def close(self) -> None:
        pass

    async def check(self) -> None:
        pass

    async def _known_key(self, store: TenantStore, tenant_id: TenantId) -> str | None:
        """The key in the file, where it is one of this tenant."""
        api_key = await asyncio.to_thread(_api_key_in, self._path)
        holder = await store.holder_of_key(key_hash(api_key)) if api_key is not None else None
        return api_key if holder is not None and holder.tenant_id == tenant_id else None

    def _credentials(self, tenant: Tenant, api_key: str) -> Credentials:
        return Credentials(
            base_url=self._base_url,
            ops_url=self._ops_url,
            tenant_id=str(tenant.id),
            client_id=tenant.client_id,
            org=tenant.org,
            api_key=api_key,
            webhook_secret=self._secrets_box.open(tenant.webhook_secret_sealed),
        )


async def _new_key(store: TenantStore, tenant_id: TenantId) -> str:
    api_key = new_api_key()
    await store.insert_key(key_hash(api_key), tenant_id, "admin", KEY_NAME)
    return api_key


async def create_tenant(work: UnitOfWork, secrets_box: SecretBox, name: str) -> Tenant:
    """A tenant with names and a webhook secret of its own, and no API key yet."""
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
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


def _api_key_in(path: Path) -> str | None:
    try:
        api_key = orjson.loads(path.read_bytes())["api_key"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return api_key if isinstance(api_key, str) else None


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

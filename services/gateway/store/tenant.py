"""Tenants and their API keys."""

from dataclasses import dataclass
from datetime import datetime

from contracts.ids import TenantId
from libs.postgres.database import Connection


@dataclass(frozen=True)
class Tenant:
    id: TenantId
    name: str
    org: str
    client_id: str
    storage_blocked_at: datetime | None
    revision: int
    webhook_secret_sealed: str


@dataclass(frozen=True)
class Listed:
    """A tenant in a list of all."""

    id: TenantId
    name: str
    org: str
    client_id: str
    storage_blocked_at: datetime | None
    keys: list[str]
    """`<name> (<role>)` of the valid ones."""


@dataclass(frozen=True)
class KeyHolder:
    """Whom an API key stands for."""

    tenant_id: TenantId
    org: str
    client_id: str
    role: str
    storage_blocked_at: datetime | None


class TenantStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def holder_of_key(self, key_hash: bytes) -> KeyHolder | None:
        row = await self._connection.fetchrow(
            """
            SELECT t.id AS tenant_id, t.org, t.client_id, k.role, t.storage_blocked_at
            FROM api_keys k JOIN tenants t ON t.id = k.tenant_id
            WHERE k.key_hash = $1 AND k.revoked_at IS NULL
            """,
            key_hash,
        )
        return KeyHolder(**row) if row else None

    async def find(self, tenant_id: TenantId) -> Tenant | None:
        row = await self._connection.fetchrow(
            """
            SELECT id, name, org, client_id, storage_blocked_at, revision, webhook_secret_sealed FROM tenants WHERE id = $1
            """,
            tenant_id,
        )
        return Tenant(**row) if row else None

    async def named(self, name: str) -> Tenant | None:
        """By what an operator has at hand: id, org or client id."""
        row = await self._connection.fetchrow(
            """
            SELECT id, name, org, client_id, storage_blocked_at, revision, webhook_secret_sealed
            FROM tenants WHERE $1 IN (id::text, org, client_id)
            """,
            name,
        )
        return Tenant(**row) if row else None

    async def all(self) -> list[Listed]:
        """Oldest first."""
        rows = await self._connection.fetch(
            """
            SELECT t.id, t.name, t.org, t.client_id, t.storage_blocked_at,
                   coalesce(array_agg(k.name || ' (' || k.role || ')' ORDER BY k.created_at)
                            FILTER (WHERE k.revoked_at IS NULL AND k.name IS NOT NULL), '{}') AS keys
            FROM tenants t LEFT JOIN api_keys k ON k.tenant_id = t.id
            GROUP BY t.id ORDER BY t.created_at, t.id
            """
        )
        return [Listed(**row) for row in rows]

    async def first(self) -> Tenant | None:
        """The tenant that was made at the first start."""
        row = await self._connection.fetchrow(
            """
            SELECT id, name, org, client_id, storage_blocked_at, revision, webhook_secret_sealed
            FROM tenants ORDER BY created_at, id LIMIT 1
            """
        )
        return Tenant(**row) if row else None

    async def insert(self, tenant: Tenant) -> None:
        await self._connection.execute(
            "INSERT INTO tenants (id, name, org, client_id, revision, webhook_secret_sealed) VALUES ($1, $2, $3, $4, $5, $6)",
            tenant.id,
            tenant.name,
            tenant.org,
            tenant.client_id,
            tenant.revision,
            tenant.webhook_secret_sealed,
        )

    async def insert_key(self, key_hash: bytes, tenant_id: TenantId, role: str, name: str) -> None:
        await self._connection.execute(
            "INSERT INTO api_keys (key_hash, tenant_id, role, name) VALUES ($1, $2, $3, $4)", key_hash, tenant_id, role, name
        )

    async def revoke_keys(self, tenant_id: TenantId, name: str) -> int:
        """How many keys of that name were valid until now."""
        revoked = await self._connection.fetch(
            "UPDATE api_keys SET revoked_at = now() WHERE tenant_id = $1 AND name = $2 AND revoked_at IS NULL RETURNING 1",
            tenant_id,
            name,
        )
        return len(revoked)

    async def block_storage(self, tenant_id: TenantId) -> None:
        """From the first time on; another one changes nothing."""
        await self._connection.execute(
            "UPDATE tenants SET storage_blocked_at = now() WHERE id = $1 AND storage_blocked_at IS NULL", tenant_id
        )

    async def unblock_storage(self, tenant_id: TenantId) -> None:
        await self._connection.execute("UPDATE tenants SET storage_blocked_at = NULL WHERE id = $1", tenant_id)

    async def storage_blocked_at(self, tenant_id: TenantId) -> datetime | None:
        at: datetime | None = await self._connection.fetchval("SELECT storage_blocked_at FROM tenants WHERE id = $1", tenant_id)
        return at

    async def lock_first_start(self) -> None:
        """Replicas that start together wait here for each other, until the transaction ends."""
        await self._connection.execute("SELECT pg_advisory_xact_lock(hashtext('longshore.gateway.bootstrap'))")

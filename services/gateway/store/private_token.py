"""Private tokens of tenants: the MediaLab API takes them where it would take an OAuth2 token."""

from contracts.ids import TenantId
from libs.postgres.database import Connection
from services.gateway.store.tenant import KeyHolder


async def holder_of_private_token(connection: Connection, token_hash: bytes) -> KeyHolder | None:
    """None where it was revoked, or never given out."""
    row = await connection.fetchrow(
        """
        SELECT t.id AS tenant_id, t.org, t.client_id, p.role, t.storage_blocked_at
        FROM private_tokens p JOIN tenants t ON t.id = p.tenant_id
        WHERE p.token_hash = $1 AND p.revoked_at IS NULL
        """,
        token_hash,
    )
    return KeyHolder(**row) if row else None


class PrivateTokenStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def insert(self, token_hash: bytes, tenant_id: TenantId, role: str, name: str) -> None:
        await self._connection.execute(
            "INSERT INTO private_tokens (token_hash, tenant_id, role, name) VALUES ($1, $2, $3, $4)",
            token_hash,
            tenant_id,
            role,
            name,
        )

    async def revoke(self, tenant_id: TenantId, name: str) -> int:
        """How many of that name were valid until now."""
        revoked = await self._connection.fetch(
            """
            UPDATE private_tokens SET revoked_at = now()
            WHERE tenant_id = $1 AND name = $2 AND revoked_at IS NULL RETURNING 1
            """,
            tenant_id,
            name,
        )
        return len(revoked)

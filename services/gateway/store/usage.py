"""How many bytes a tenant keeps: a total, and the changes that are not in it yet (written by a trigger on `uploads`)."""

from contracts.ids import TenantId
from libs.postgres.database import Connection


class UsageStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def used_bytes(self, tenant_id: TenantId) -> int:
        used: int = await self._connection.fetchval(
            """
            SELECT coalesce((SELECT used_bytes FROM storage_usage WHERE tenant_id = $1), 0)
                 + coalesce((SELECT sum(change_bytes) FROM storage_changes WHERE tenant_id = $1), 0)::bigint
            """,
            tenant_id,
        )
        return used

    async def fold(self, limit: int) -> int:
        """Moves up to `limit` changes into the totals; how many it were."""
        folded: int = await self._connection.fetchval(
            """
            WITH taken AS (
                DELETE FROM storage_changes WHERE id IN (
                    SELECT id FROM storage_changes ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
                ) RETURNING tenant_id, change_bytes
            ), added AS (
                INSERT INTO storage_usage AS total (tenant_id, used_bytes)
                SELECT tenant_id, sum(change_bytes) FROM taken GROUP BY tenant_id ORDER BY tenant_id
                ON CONFLICT (tenant_id) DO UPDATE SET used_bytes = total.used_bytes + excluded.used_bytes
            )
            SELECT count(*) FROM taken
            """,
            limit,
        )
        return folded

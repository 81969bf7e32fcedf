"""Folders: those created by name, and those that exist because live files lie in or below them."""

from dataclasses import dataclass

from contracts.ids import TenantId
from libs.postgres.database import Connection


@dataclass(frozen=True)
class FolderStats:
    path: str
    file_count: int
    total_bytes: int


class FolderStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def exists(self, tenant_id: TenantId, path: str) -> bool:
        found: bool = await self._connection.fetchval(
            """
            SELECT EXISTS (SELECT FROM folders WHERE tenant_id = $1 AND (path = $2 OR (path >= $2 || '/' AND path < $2 || '0')))
                OR EXISTS (SELECT FROM uploads WHERE tenant_id = $1 AND holds_name
                           AND (folder = $2 OR (folder >= $2 || '/' AND folder < $2 || '0')))
            """,
            tenant_id,
            path,
        )
        return found

    async def insert(self, tenant_id: TenantId, paths: list[str]) -> list[str]:
        """Creates those that are missing; which they were."""
        rows = await self._connection.fetch(
            "INSERT INTO folders (tenant_id, path) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING RETURNING path",
            tenant_id,
            sorted(paths),
        )
        return [row["path"] for row in rows]

    async def is_empty(self, tenant_id: TenantId, path: str) -> bool:
        """Neither live files nor other folders lie below."""
        used: bool = await self._connection.fetchval(
            """
            SELECT EXISTS (SELECT FROM folders WHERE tenant_id = $1 AND path >= $2 || '/' AND path < $2 || '0')
                OR EXISTS (SELECT FROM uploads WHERE tenant_id = $1 AND holds_name
                           AND (folder = $2 OR (folder >= $2 || '/' AND folder < $2 || '0')))
            """,
            tenant_id,
            path,
        )
        return not used

    async def delete(self, tenant_id: TenantId, path: str) -> None:
        await self._connection.execute("DELETE FROM folders WHERE tenant_id = $1 AND path = $2", tenant_id, path)

    async def below(self, tenant_id: TenantId, path: str) -> list[FolderStats]:
        """Every folder in or below `path` (empty: all) that was created or holds live files, each with its own files' sum."""
        rows = await self._connection.fetch(
            """
            SELECT path, coalesce(sum(files), 0)::bigint AS file_count, coalesce(sum(bytes), 0)::bigint AS total_bytes
            FROM (
                SELECT path, 0 AS files, 0 AS bytes FROM folders WHERE tenant_id = $1
                UNION ALL
                SELECT folder, count(*), sum(coalesce(size_bytes, 0)) FROM uploads
                WHERE tenant_id = $1 AND holds_name GROUP BY folder
            ) found
            WHERE $2 = '' OR path = $2 OR (path >= $2 || '/' AND path < $2 || '0')
            GROUP BY path ORDER BY path
            """,
            tenant_id,
            path,
        )
        return [FolderStats(**row) for row in rows]

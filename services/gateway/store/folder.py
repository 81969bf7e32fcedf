"""Folders: those created by name, and those that exist because live files lie in or below them."""

from dataclasses import dataclass

from contracts.ids import TenantId
from libs.postgres.database import Connection
from services.gateway.domain.upload import WITHOUT_FILE

# Paths hold only [a-zA-Z0-9/_-]: `0` is the character after `/`, and `~` comes after all of them.
CHILDREN = """
    WITH RECURSIVE bounds AS (
        SELECT CASE WHEN $2 = '' THEN '' ELSE $2 || '/' END COLLATE "C" AS prefix,
               CASE WHEN $2 = '' THEN '~' ELSE $2 || '0' END COLLATE "C" AS beyond
    ), step AS (
        SELECT '' COLLATE "C" AS top, prefix AS seen FROM bounds
        UNION ALL
        SELECT prefix || split_part(substr(next.folder, length(prefix) + 1), '/', 1), next.folder
        FROM step, bounds, LATERAL (
            SELECT folder FROM uploads
            WHERE tenant_id = $1 AND holds_name AND folder < beyond
              AND folder > CASE WHEN seen IN (top, prefix) THEN seen ELSE top || '/~' END COLLATE "C"
            ORDER BY folder LIMIT 1
        ) next
    )
    SELECT DISTINCT split_part(substr(path, length(prefix) + 1), '/', 1) AS name
    FROM bounds, (
        SELECT seen AS path FROM step
        UNION ALL
        SELECT path FROM folders WHERE tenant_id = $1
    ) known
    WHERE path > prefix AND path < beyond
    ORDER BY name
"""


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
        """Neither live files nor other folders lie below; those of the MediaLab API hold no names."""
        used: bool = await self._connection.fetchval(
            """
            SELECT EXISTS (SELECT FROM folders WHERE tenant_id = $1 AND path >= $2 || '/' AND path < $2 || '0')
                OR EXISTS (SELECT FROM uploads WHERE tenant_id = $1 AND holds_name
                           AND (folder = $2 OR (folder >= $2 || '/' AND folder < $2 || '0')))
                OR EXISTS (SELECT FROM uploads WHERE tenant_id = $1 AND dialect = 'medialab' AND deleted_at IS NULL
                           AND state <> ALL($3::text[])
                           AND (folder = $2 OR (folder >= $2 || '/' AND folder < $2 || '0')))
            """,
            tenant_id,
            path,
            [state.value for state in WITHOUT_FILE],
        )
        return not used

    async def delete(self, tenant_id: TenantId, path: str) -> None:
        await self._connection.execute("DELETE FROM folders WHERE tenant_id = $1 AND path = $2", tenant_id, path)

    async def children(self, tenant_id: TenantId, path: str) -> list[str]:
        """Names of the folders directly in `path` (empty: the root); goes from folder to folder, not from file to file."""
        rows = await self._connection.fetch(CHILDREN, tenant_id, path)
        return [row["name"] for row in rows]

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

"""How many files and groups a project has: totals, and the changes that are not in them yet (written by triggers)."""

from collections.abc import Mapping

from libs.postgres.database import Connection
from services.gateway.domain.project import ProjectId


class ProjectCountStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def counts(self, project_id: ProjectId) -> Mapping[str, int]:
        """By kind: `removed`, `stored` and `unstored` files, and `group`; a kind that is not named has none."""
        rows = await self._connection.fetch(
            """
            SELECT kind, sum(count)::bigint AS count
            FROM (SELECT kind, count FROM project_counts WHERE project_id = $1
                  UNION ALL
                  SELECT kind, sum(change) FROM project_count_changes WHERE project_id = $1 GROUP BY kind) AS part
            GROUP BY kind
            """,
            project_id,
        )
        return {row["kind"]: row["count"] for row in rows}

    async def fold(self, limit: int) -> int:
        """Moves up to `limit` changes into the totals; how many it were."""
        folded: int = await self._connection.fetchval(
            """
            WITH taken AS (
                DELETE FROM project_count_changes WHERE id IN (
                    SELECT id FROM project_count_changes ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
                ) RETURNING project_id, kind, change
            ), added AS (
                INSERT INTO project_counts AS total (project_id, kind, count)
                SELECT project_id, kind, sum(change) FROM taken GROUP BY project_id, kind ORDER BY project_id, kind
                ON CONFLICT (project_id, kind) DO UPDATE SET count = total.count + excluded.count
            )
            SELECT count(*) FROM taken
            """,
            limit,
        )
        return folded

"""The webhooks of projects."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import asyncpg

from libs.postgres.database import Connection
from services.gateway.domain.project import ProjectId
from services.gateway.domain.webhook import Hook, News

COLUMNS = """
    id, project_id, (SELECT p.public_key FROM projects p WHERE p.id = project_id) AS public_key, event, target_url,
    signing_secret_sealed, is_active, created_at, updated_at
"""


class HookStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def listening(self, project_id: ProjectId, news: Sequence[News]) -> list[Hook]:
        """The active ones that want to be told any of `news`."""
        rows = await self._connection.fetch(
            f"SELECT {COLUMNS} FROM project_webhooks WHERE project_id = $1 AND event = ANY ($2) AND is_active ORDER BY id",
            project_id,
            [one.value for one in news],
        )
        return [_hook(row) for row in rows]

    async def listening_of(self, project_ids: Collection[ProjectId]) -> dict[ProjectId, list[Hook]]:
        """The active ones of these projects, whatever they want to be told; projects without any are left out."""
        found: dict[ProjectId, list[Hook]] = {}
        if project_ids:
            rows = await self._connection.fetch(
                f"SELECT {COLUMNS} FROM project_webhooks WHERE project_id = ANY ($1) AND is_active ORDER BY id",
                list(project_ids),
            )
            for row in rows:
                found.setdefault(row["project_id"], []).append(_hook(row))
        return found

    async def of_project(self, project_id: ProjectId) -> list[Hook]:
        rows = await self._connection.fetch(
            f"SELECT {COLUMNS} FROM project_webhooks WHERE project_id = $1 ORDER BY id", project_id
        )
        return [_hook(row) for row in rows]

    async def find(self, project_id: ProjectId, hook_id: int) -> Hook | None:
        """Locked until the commit."""
        row = await self._connection.fetchrow(
            f"SELECT {COLUMNS} FROM project_webhooks WHERE project_id = $1 AND id = $2 FOR UPDATE", project_id, hook_id
        )
        return _hook(row) if row else None

    async def insert(
        self,
        project_id: ProjectId,
        event: News,
        target_url: str,
        *,
        signing_secret_sealed: str | None,
        is_active: bool,
        at: datetime,
    ) -> Hook | None:
        """None where this address is told this already."""
        row = await self._connection.fetchrow(
            f"""
            INSERT INTO project_webhooks
                (project_id, event, target_url, signing_secret_sealed, is_active, created_at, updated_at)
            VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT DO NOTHING RETURNING {COLUMNS}
            """,
            project_id,
            event.value,
            target_url,
            signing_secret_sealed,
            is_active,
            at,
        )
        return _hook(row) if row else None

    async def update(self, hook: Hook, at: datetime) -> Hook | None:
        """None where another one tells that address this event."""
        try:
            async with self._connection.transaction():
                await self._connection.execute(
                    """
                    UPDATE project_webhooks
                    SET event = $2, target_url = $3, signing_secret_sealed = $4, is_active = $5, updated_at = $6 WHERE id = $1
                    """,
                    hook.id,
                    hook.event.value,
                    hook.target_url,
                    hook.signing_secret_sealed,
                    hook.is_active,
                    at,
                )
        except asyncpg.UniqueViolationError:
            return None
        return replace(hook, updated_at=at)

    async def delete(self, project_id: ProjectId, hook_id: int) -> bool:
        """False where there was none."""
        status = await self._connection.execute(
            "DELETE FROM project_webhooks WHERE project_id = $1 AND id = $2", project_id, hook_id
        )
        return status != "DELETE 0"

    async def delete_by_url(self, project_id: ProjectId, target_url: str) -> bool:
        """All that tell this address something; False where there was none."""
        status = await self._connection.execute(
            "DELETE FROM project_webhooks WHERE project_id = $1 AND target_url = $2", project_id, target_url
        )
        return status != "DELETE 0"


def _hook(row: asyncpg.Record) -> Hook:
    values: dict[str, Any] = dict(row)
    return Hook(**{**values, "event": News(values["event"])})

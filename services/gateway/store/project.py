"""Projects and their token buckets."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from contracts.ids import TenantId
from libs.postgres.database import Connection
from services.gateway.domain.project import Project, ProjectId, ProjectStatus, RateLimit

COLUMNS = """
    id, tenant_id, name, public_key, secret_sealed, signed_uploads, auto_store, max_file_size_bytes, rate_requests,
    rate_per_seconds, allowed_types, forbidden_types, allowed_origins, status, created_at, updated_at
"""

# The generic cell rate algorithm: `full_at` is when the bucket will be full again; a token is there while that is less than
# one bucket's worth away. https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm
TAKE = """
    INSERT INTO throttles AS t (project_id, full_at) VALUES ($1, clock_timestamp() + $2::interval)
    ON CONFLICT (project_id) DO UPDATE SET full_at = greatest(t.full_at, clock_timestamp()) + $2::interval
    WHERE greatest(t.full_at, clock_timestamp()) + $2::interval <= clock_timestamp() + $3::interval
    RETURNING true
"""

WAIT = """
    SELECT full_at + $2::interval - $3::interval - clock_timestamp() FROM throttles WHERE project_id = $1
"""


class ProjectStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def insert(self, project: Project) -> None:
        await self._connection.execute(
            f"""
            INSERT INTO projects ({COLUMNS})
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
            """,
            *_values(project),
        )

    async def update(self, project: Project) -> None:
        """Everything but its tenant, its keys and its beginning."""
        await self._connection.execute(
            """
            UPDATE projects SET name = $2, signed_uploads = $3, auto_store = $4, max_file_size_bytes = $5, rate_requests = $6,
                rate_per_seconds = $7, allowed_types = $8, forbidden_types = $9, allowed_origins = $10, status = $11,
                updated_at = $12
            WHERE id = $1
            """,
            project.id,
            project.name,
            project.signed_uploads,
            project.auto_store,
            project.max_file_size_bytes,
            project.rate_limit.requests if project.rate_limit else None,
            project.rate_limit.per_seconds if project.rate_limit else None,
            list(project.allowed_types),
            list(project.forbidden_types),
            list(project.allowed_origins),
            project.status.value,
            project.updated_at,
        )

    async def find(self, project_id: ProjectId, *, lock: bool = False) -> Project | None:
        row = await self._connection.fetchrow(
            f"SELECT {COLUMNS} FROM projects WHERE id = $1" + (" FOR UPDATE" if lock else ""), project_id
        )
        return _project(row) if row else None

    async def find_by_key(self, public_key: str) -> Project | None:
        row = await self._connection.fetchrow(f"SELECT {COLUMNS} FROM projects WHERE public_key = $1", public_key)
        return _project(row) if row else None

    async def first(self, tenant_id: TenantId) -> Project | None:
        """The tenant's oldest one."""
        row = await self._connection.fetchrow(
            f"SELECT {COLUMNS} FROM projects WHERE tenant_id = $1 ORDER BY created_at, id LIMIT 1", tenant_id
        )
        return _project(row) if row else None

    async def newest(self, *, before: tuple[datetime, UUID] | None, limit: int) -> list[Project]:
        """Newest first, those before (created_at, id)."""
        created_at, project_id = before or (None, None)
        rows = await self._connection.fetch(
            f"""
            SELECT {COLUMNS} FROM projects
            WHERE $1::timestamptz IS NULL OR (created_at, id) < ($1, $2::uuid)
            ORDER BY created_at DESC, id DESC LIMIT $3
            """,
            created_at,
            project_id,
            limit,
        )
        return [_project(row) for row in rows]

    async def take_token(self, project_id: ProjectId, limit: RateLimit) -> timedelta | None:
        """None: taken. Otherwise the bucket is empty, and this is how long until there is a token."""
        bucket = timedelta(seconds=limit.per_seconds)
        if await self._connection.fetchval(TAKE, project_id, bucket / limit.requests, bucket):
            return None
        wait: timedelta | None = await self._connection.fetchval(WAIT, project_id, bucket / limit.requests, bucket)
        return max(wait or timedelta(), timedelta(milliseconds=1))


def _values(project: Project) -> tuple[object, ...]:
    limit = project.rate_limit
    return (
        project.id, project.tenant_id, project.name, project.public_key, project.secret_sealed, project.signed_uploads,
        project.auto_store, project.max_file_size_bytes, limit.requests if limit else None,
        limit.per_seconds if limit else None, list(project.allowed_types), list(project.forbidden_types),
        list(project.allowed_origins), project.status.value, project.created_at, project.updated_at,
    )  # fmt: skip


def _project(row: Any) -> Project:
    values = dict(row)
    requests, per_seconds = values.pop("rate_requests"), values.pop("rate_per_seconds")
    for name in ("allowed_types", "forbidden_types", "allowed_origins"):
        values[name] = tuple(values[name])
    values["status"] = ProjectStatus(values["status"])
    return Project(**values, rate_limit=RateLimit(requests, per_seconds) if requests else None)

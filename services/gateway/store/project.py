"""Projects and their token buckets."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
ADD_BUCKETS = """
    INSERT INTO throttles (project_id, full_at) SELECT id, now() FROM unnest($1::uuid[]) AS id ORDER BY id
    ON CONFLICT (project_id) DO NOTHING
"""

# Of each project as many tokens as are wanted and there; and how long it takes until there is another one.
TAKE = """
    WITH locked AS MATERIALIZED (
        SELECT t.project_id, greatest(t.full_at, clock_timestamp()) AS full_at, clock_timestamp() AS at, wanted.tokens,
               wanted.interval, wanted.bucket
        FROM throttles t JOIN unnest($1::uuid[], $2::int[], $3::interval[], $4::interval[])
            AS wanted (id, tokens, interval, bucket) ON t.project_id = wanted.id
        ORDER BY t.project_id FOR UPDATE OF t
    ), granted AS (
        SELECT *, least(tokens, floor(extract(epoch FROM bucket - (full_at - at)) / extract(epoch FROM interval) + 1e-9)::int)
            AS count FROM locked
    )
    UPDATE throttles t SET full_at = g.full_at + greatest(g.count, 0) * g.interval
    FROM granted g WHERE t.project_id = g.project_id
    RETURNING t.project_id, greatest(g.count, 0) AS count, t.full_at + g.interval - g.bucket - g.at AS wait
"""


@dataclass(frozen=True)
class Tokens:
    """What a project's bucket gave."""

    count: int
    wait: timedelta
    """How long until there is another one."""


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

    async def take_tokens(self, wanted: Sequence[tuple[ProjectId, RateLimit]]) -> Mapping[ProjectId, Tokens]:
        """As many as are there of each project, one for each time that it is wanted."""
        limits = dict(wanted)  # of a limit that was just changed the last one counts
        tokens = Counter(project_id for project_id, _limit in wanted)
        wishes = sorted((project_id, tokens[project_id], *_pace(limit)) for project_id, limit in limits.items())
        rows = await self._connection.fetch(TAKE, *zip(*wishes, strict=True))
        if len(rows) < len(wishes):
            await self._connection.execute(ADD_BUCKETS, [project_id for project_id, *_ in wishes])
            known = {row["project_id"] for row in rows}
            rest = [wish for wish in wishes if wish[0] not in known]
            rows += await self._connection.fetch(TAKE, *zip(*rest, strict=True))
        return {row["project_id"]: Tokens(row["count"], max(row["wait"], timedelta(milliseconds=1))) for row in rows}


def _pace(limit: RateLimit) -> tuple[timedelta, timedelta]:
    """The time for which one token stands, and that of a full bucket."""
    bucket = timedelta(seconds=limit.per_seconds)
    return bucket / limit.requests, bucket


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

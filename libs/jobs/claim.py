"""How many jobs may be claimed, and whose turn it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

TENANTS: Final = 50
"""Tenants among which one claim chooses, or as many as it has slots. Where more have due jobs, each claim begins where the last
one ended."""

LOWEST: Final = "'00000000-0000-0000-0000-000000000000'::uuid"
HIGHEST: Final = "'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid"


@dataclass(frozen=True)
class ClaimLimits:
    """What one claim may take."""

    slots: int
    """Jobs altogether: so many slots are free."""
    per_tenant: int | None
    """So many jobs of one tenant may run in this process."""
    running: Mapping[UUID, int]
    """Those that already do, by tenant."""
    served: Sequence[UUID] = ()
    """Tenants that had their turn before, the latest one last."""

    @property
    def arguments(self) -> tuple[int, int | None, list[UUID], list[int], list[int]]:
        """In the order of the parameters of `due_in_turns`."""
        numbers = {tenant: number for number, tenant in enumerate(self.served, 1)}
        tenants = list(numbers | dict(self.running))
        running, served = [self.running.get(one, 0) for one in tenants], [numbers.get(one, 0) for one in tenants]
        return self.slots, self.per_tenant, tenants, running, served


def due_in_turns(*, table: str, key: str, due_at: str, condition: str) -> str:
    """SQL up to a common table expression `chosen (<key>)`: rows that are due, locked, within the limits `$1` to `$5`.

    The claim goes on with `UPDATE … WHERE <key> = ANY (ARRAY(SELECT <key> FROM chosen))`; a join would read the whole table.

    Tenants take turns: the first job of one that has none running comes before the second job of anybody else, and before the
    first one of whoever was served later, however many jobs were there first. `condition` is what a partial index on
    (tenant_id, <due_at>) says of the rows that wait for a claim: the statement visits the tenants by that index, and of each as
    many rows as may be chosen, and some more, because other processes claim at the same time.
    """
    due = f"{condition} AND {due_at} <= now()"
    return f"""
    WITH RECURSIVE visits (tenant_id, until) AS (
        SELECT bounds.* FROM (
            SELECT coalesce((
                SELECT tenant_id FROM unnest($3::uuid[], $5::int[]) AS had (tenant_id, served) ORDER BY served DESC LIMIT 1
            ), {LOWEST}) AS tenant_id
        ) AS start, LATERAL (VALUES (start.tenant_id, {HIGHEST}), ({LOWEST}, start.tenant_id)) AS bounds
        UNION ALL
        SELECT following.tenant_id, until FROM visits, LATERAL (
            SELECT tenant_id FROM {table} AS job
            WHERE {due} AND job.tenant_id > visits.tenant_id AND job.tenant_id <= visits.until ORDER BY job.tenant_id LIMIT 1
        ) AS following
    ), turns AS (
        SELECT due.*, coalesce(busy.served, 0) AS served,
               coalesce(busy.running, 0) + row_number() OVER (PARTITION BY visited.tenant_id ORDER BY due.since) AS turn
        FROM (
            SELECT DISTINCT tenant_id FROM (SELECT tenant_id FROM visits LIMIT 2 + greatest({TENANTS}, $1::int)) AS found
        ) AS visited
        LEFT JOIN unnest($3::uuid[], $4::int[], $5::int[]) AS busy (tenant_id, running, served) USING (tenant_id)
        CROSS JOIN LATERAL (
            SELECT {key}, {due_at} AS since FROM {table} AS job WHERE {due} AND job.tenant_id = visited.tenant_id
            ORDER BY {due_at} LIMIT 2 * $1::int
        ) AS due
    ), next AS MATERIALIZED (
        SELECT ARRAY(
            SELECT {key} FROM turns WHERE turn <= coalesce($2::int, turn) ORDER BY turn, served, since LIMIT 2 * $1::int
        ) AS keys
    ), chosen AS (
        SELECT job.{key} FROM next, {table} AS job WHERE job.{key} = ANY (next.keys) AND {due}
        ORDER BY array_position(next.keys, job.{key}) LIMIT $1::int FOR UPDATE OF job SKIP LOCKED
    )
    """

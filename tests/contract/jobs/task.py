"""The smallest queue that there can be: a table of tasks, and its repository."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from libs.jobs.claim import ClaimLimits, due_in_turns
from libs.jobs.worker import Worker
from libs.outbox.unit_of_work import Outbox

TASKS = "tasks"
"""The wake-up of the worker."""

TABLE = """
    CREATE TABLE ingest.task (
        id        uuid        PRIMARY KEY,
        tenant_id uuid        NOT NULL,
        number    integer     NOT NULL,
        due_at    timestamptz NOT NULL DEFAULT now(),
        lease     uuid,
        claims    integer     NOT NULL DEFAULT 0,
        records   integer     NOT NULL DEFAULT 0,
        result    text
    );
    CREATE INDEX task_due ON ingest.task (tenant_id, due_at) WHERE result IS NULL;
    GRANT ALL ON ingest.task TO longshore_ingest;
"""

CLAIM = f"""
    {due_in_turns(table="task", key="id", due_at="due_at", condition="result IS NULL")}
    UPDATE task SET lease = gen_random_uuid(), claims = claims + 1, due_at = now() + $6 * interval '1 second'
    WHERE id = ANY (ARRAY(SELECT id FROM chosen))
    RETURNING task.*
"""
HELD = "task.id = held.id AND task.lease = held.lease"


@dataclass(frozen=True)
class Task:
    id: UUID
    tenant_id: UUID
    number: int
    lease: UUID


class TaskRepository:
    def __init__(self, outbox: Outbox, lease_seconds: float = 30) -> None:
        self.outbox = outbox
        self.lease_seconds = lease_seconds
        self.sets: list[int] = []
        """How many results were recorded together, each time."""

    async def add(self, tenant_id: UUID, *numbers: int) -> list[UUID]:
        ids = [uuid4() for _ in numbers]
        # One after the other, in the order in which they are due.
        await self._fetch(
            """
            INSERT INTO task (id, tenant_id, number, due_at)
            SELECT id, $1, number, now() - interval '1 minute' + number * interval '1 microsecond'
            FROM unnest($2::uuid[], $3::int[]) AS x (id, number)
            """,
            tenant_id,
            ids,
            list(numbers),
        )
        self.outbox.wakeups.wake(TASKS)
        return ids

    async def task(self, task_id: UUID) -> dict[str, Any]:
        [row] = await self._fetch("SELECT *, due_at - now() AS due_in FROM task WHERE id = $1", task_id)
        return row

    async def results(self) -> list[str]:
        return [row["result"] for row in await self._fetch("SELECT result FROM task WHERE result IS NOT NULL")]

    async def take_over(self) -> None:
        """As another worker does when the leases have ended."""
        await self._fetch("UPDATE task SET lease = gen_random_uuid(), due_at = now() + interval '1 hour' WHERE result IS NULL")

    # ------------------------------------------------------------ JobRepository

    async def claim(self, limits: ClaimLimits) -> Sequence[Task]:
        rows = await self._fetch(CLAIM, *limits.arguments, self.lease_seconds)
        return [Task(row["id"], row["tenant_id"], row["number"], row["lease"]) for row in rows]

    async def renew(self, jobs: Sequence[Task]) -> Collection[UUID]:
        rows = await self._fetch(
            f"""
            UPDATE task SET due_at = now() + $3 * interval '1 second' FROM unnest($1::uuid[], $2::uuid[]) AS held (id, lease)
            WHERE {HELD} RETURNING task.lease
            """,
            *_held(jobs),
            self.lease_seconds,
        )
        return {row["lease"] for row in rows}

    async def record(self, results: Sequence[tuple[Task, str]]) -> float | None:
        """A task that is to be done again in a moment says `again`."""
        self.sets.append(len(results))
        await self._fetch(
            f"""
            UPDATE task SET result = nullif(held.result, 'again'), records = records + 1, lease = NULL,
                due_at = now() + interval '0.1 seconds'
            FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS held (id, lease, result) WHERE {HELD}
            """,
            *_held([task for task, _ in results]),
            [result for _, result in results],
        )
        return 0.1 if "again" in [result for _, result in results] else None

    async def release(self, jobs: Sequence[Task]) -> None:
        await self._fetch(
            f"""
            UPDATE task SET due_at = now(), lease = NULL FROM unnest($1::uuid[], $2::uuid[]) AS held (id, lease) WHERE {HELD}
            """,
            *_held(jobs),
        )

    async def _fetch(self, statement: str, *arguments: object) -> list[dict[str, Any]]:
        async with self.outbox.database.connection() as connection:
            return [dict(row) for row in await connection.fetch(statement, *arguments)]


def _held(jobs: Sequence[Task]) -> tuple[list[UUID], list[UUID]]:
    return [job.id for job in jobs], [job.lease for job in jobs]


def worker_of(
    tasks: TaskRepository, handle: Callable[[Task], Awaitable[str]], *, slots: int = 4, **options: Any
) -> Worker[Task, str]:
    given = {"slots": slots, "lease_seconds": tasks.lease_seconds, "poll_seconds": 0.05, "drain_seconds": 0.0}
    return Worker(TASKS, tasks, handle, tasks.outbox.wakeups, **(given | options))

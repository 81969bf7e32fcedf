"""The counts of a project's files are those that counting all of them gives, whatever happens to them."""

import asyncio
from uuid import uuid4

from contracts.ids import UploadId
from libs.outbox.unit_of_work import Outbox
from services.gateway.domain.project import ProjectId
from services.gateway.jobs import FoldUsage
from services.gateway.store import ProjectCountStore
from tests.integration.services.gateway.conftest import registered

STEPS = (
    "completed_at = now(), size_bytes = 7, state = 'COMPLETED', version = 3",
    "state = 'READY', version = 5",
    "kept_at = now()",
    'metadata = \'{"a": "b"}\'',
    "kept_at = NULL",
    "kept_at = now(), deleted_at = now()",
    "state = 'DELETED', version = 9",
)

COUNTED = """
    SELECT kind, count(*) AS count FROM (SELECT file_kind(uploads) AS kind FROM uploads WHERE project_id = $1) AS file
    WHERE kind IS NOT NULL GROUP BY kind
"""


async def test_the_counts_follow_every_step_of_a_file(outbox: Outbox) -> None:
    project_id = ProjectId(uuid4())
    uploads = [await in_project(outbox, project_id) for _ in STEPS]
    for done in range(len(STEPS)):
        async with outbox.database.connection() as connection:
            for upload_id in uploads[done:]:
                await connection.execute(f"UPDATE uploads SET {STEPS[done]} WHERE id = $1", upload_id)
        await assert_counts(outbox, project_id)
        if done % 2:
            await asyncio.gather(FoldUsage(outbox).once(), FoldUsage(outbox).once())
            await assert_counts(outbox, project_id)
    async with outbox.database.connection() as connection:
        await connection.execute("DELETE FROM uploads WHERE id = $1", uploads[-1])
    await assert_counts(outbox, project_id)
    await FoldUsage(outbox).once()
    async with outbox.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM project_count_changes") == 0
    await assert_counts(outbox, project_id)


async def test_groups_are_counted(outbox: Outbox) -> None:
    project_id = ProjectId(uuid4())
    async with outbox.database.connection() as connection:
        for _ in range(3):
            await connection.execute("INSERT INTO groups VALUES ($1, $2, now())", uuid4(), project_id)
        await connection.execute(
            "DELETE FROM groups WHERE id = (SELECT id FROM groups WHERE project_id = $1 LIMIT 1)", project_id
        )
        assert await ProjectCountStore(connection).counts(project_id) == {"group": 2}


async def in_project(outbox: Outbox, project_id: ProjectId) -> UploadId:
    new = await registered(outbox)
    async with outbox.database.connection() as connection:
        await connection.execute("UPDATE uploads SET project_id = $2 WHERE id = $1", new.id, project_id)
    return new.id


async def assert_counts(outbox: Outbox, project_id: ProjectId) -> None:
    async with outbox.database.connection() as connection:
        counted = {row["kind"]: row["count"] for row in await connection.fetch(COUNTED, project_id)}
        counts = await ProjectCountStore(connection).counts(project_id)
    assert {kind: count for kind, count in counts.items() if count} == counted

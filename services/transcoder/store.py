"""All SQL of the transcoder."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from contracts.envelope import Envelope
from contracts.events import Rendition, UploadCompleted
from contracts.ids import UploadId
from libs.jobs.claim import ClaimLimits, due_in_turns
from libs.postgres.database import Connection
from services.transcoder.domain.job import EndedJob, Job, Lane
from services.transcoder.domain.outcome import Completed, Failed, Moved, Postponed

STILL_OURS = "WHERE job.upload_id = held.upload_id AND job.lease = held.lease AND job.state = 'open'"
HELD = f"FROM unnest($1::uuid[], $2::uuid[]) AS held (upload_id, lease) {STILL_OURS}"


@dataclass(frozen=True)
class TranscoderStore:
    connection: Connection

    async def request(self, envelopes: Sequence[Envelope]) -> None:
        """A job for each of these `UploadCompleted`; nothing where one exists or the file is already removed."""
        await self.connection.execute(
            """
            INSERT INTO job (upload_id, tenant_id, state, envelope)
            SELECT upload_id, tenant_id, 'open', envelope
            FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS x (upload_id, tenant_id, envelope) ORDER BY upload_id
            ON CONFLICT (upload_id) DO NOTHING
            """,
            [UUID(envelope.subject) for envelope in envelopes],
            [UUID(envelope.data["tenant_id"]) for envelope in envelopes],
            [envelope.model_dump_json() for envelope in envelopes],
        )

    async def remove(self, upload_ids: Sequence[UploadId]) -> None:
        """Cancels the jobs, now and for good; what a running one still writes is cleaned when its lease has ended."""
        await self.connection.execute(
            """
            INSERT INTO job (upload_id, state) SELECT upload_id, 'removed' FROM unnest($1::uuid[]) AS upload_id
            ON CONFLICT (upload_id) DO UPDATE SET
                state = 'removed', changed_at = now(),
                clean_at = CASE
                    WHEN job.lane = 'sniff' THEN NULL
                    WHEN job.state = 'open' THEN greatest(now(), job.next_at)
                    ELSE now()
                END
            WHERE job.state <> 'removed'
            """,
            sorted(set(upload_ids)),
        )

    async def claim(self, lane: Lane, limits: ClaimLimits, lease_seconds: float) -> list[Job]:
        """Due jobs of tenants in turn, oldest first, ours until the lease ends. A job whose lease ended is due again."""
        rows = await self.connection.fetch(
            f"""
            {due_in_turns(table="job", key="upload_id", due_at="next_at", condition=f"state = 'open' AND lane = '{lane}'")}
            UPDATE job SET lease = gen_random_uuid(), attempts = attempts + 1, next_at = now() + $6 * interval '1 second',
                changed_at = now()
            WHERE upload_id = ANY (ARRAY(SELECT upload_id FROM chosen))
            RETURNING envelope, lease, attempts, store_errors, mime_type, percent
            """,
            *limits.arguments,
            lease_seconds,
        )
        return [_job(row) for row in rows]

    async def renew(self, jobs: Sequence[Job], lease_seconds: float) -> set[UUID]:
        """The leases that are still ours."""
        rows = await self.connection.fetch(
            f"UPDATE job SET next_at = now() + $3 * interval '1 second' {HELD} RETURNING job.lease", *_held(jobs), lease_seconds
        )
        return {row["lease"] for row in rows}

    async def report(self, job: Job, percent: int) -> bool:
        """Notes the progress; False where the job is no longer ours."""
        status = await self.connection.execute(
            f"UPDATE job SET percent = greatest(percent, $3), changed_at = now() {HELD}", *_held([job]), percent
        )
        return status == "UPDATE 1"

    async def complete(self, completed: Sequence[tuple[Job, Completed]]) -> set[UUID]:
        """Ends jobs well; answers which leases were still ours, as the next ones do.

        What was published of a video while it was made is cleaned when its viewers have turned to the final playlists.
        """
        return await self._end(
            """
            UPDATE job SET state = 'completed', envelope = NULL, lease = NULL, percent = 100, mime_type = held.mime_type,
                renditions = held.renditions::jsonb, changed_at = now(),
                clean_at = CASE WHEN job.lane = 'video' THEN now() + interval '10 minutes' END
            FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) AS held (upload_id, lease, mime_type, renditions)
            """,
            [job for job, _ in completed],
            [outcome.mime_type for _, outcome in completed],
            [json.dumps([one.model_dump(mode="json") for one in outcome.renditions]) for _, outcome in completed],
        )

    async def fail(self, failed: Sequence[tuple[Job, Failed]]) -> set[UUID]:
        """Ends jobs for good. What was published of a video by then must be gone."""
        return await self._end(
            """
            UPDATE job SET state = 'failed', envelope = NULL, lease = NULL, error_code = held.code, changed_at = now(),
                clean_at = CASE WHEN job.lane = 'video' THEN now() END
            FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS held (upload_id, lease, code)
            """,
            [job for job, _ in failed],
            [outcome.code for _, outcome in failed],
        )

    async def move(self, moved: Sequence[tuple[Job, Moved]]) -> set[UUID]:
        return await self._end(
            """
            UPDATE job SET lane = held.lane, mime_type = held.mime_type, lease = NULL, attempts = 0, store_errors = 0,
                next_at = now(), changed_at = now()
            FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) AS held (upload_id, lease, lane, mime_type)
            """,
            [job for job, _ in moved],
            [outcome.lane for _, outcome in moved],
            [outcome.mime_type for _, outcome in moved],
        )

    async def postpone(self, postponed: Sequence[tuple[Job, Postponed]]) -> set[UUID]:
        return await self._end(
            """
            UPDATE job SET lease = NULL, next_at = now() + held.seconds * interval '1 second', changed_at = now(),
                attempts = attempts - CASE WHEN held.is_counted THEN 0 ELSE 1 END,
                store_errors = store_errors + CASE WHEN held.is_counted THEN 0 ELSE 1 END
            FROM unnest($1::uuid[], $2::uuid[], $3::float8[], $4::boolean[]) AS held (upload_id, lease, seconds, is_counted)
            """,
            [job for job, _ in postponed],
            [outcome.seconds for _, outcome in postponed],
            [outcome.is_counted for _, outcome in postponed],
        )

    async def release(self, jobs: Sequence[Job]) -> None:
        """Due at once; this attempt does not count."""
        await self.connection.execute(
            f"UPDATE job SET lease = NULL, next_at = now(), changed_at = now(), attempts = attempts - 1 {HELD}", *_held(jobs)
        )

    async def _end(self, statement: str, jobs: Sequence[Job], *columns: Sequence[object]) -> set[UUID]:
        rows = await self.connection.fetch(f"{statement} {STILL_OURS} RETURNING held.lease", *_held(jobs), *columns)
        return {row["lease"] for row in rows}

    async def is_removed(self, upload_id: UploadId) -> bool:
        return bool(await self.connection.fetchval("SELECT state = 'removed' FROM job WHERE upload_id = $1", upload_id))

    async def due_cleaning(self, limit: int) -> list[EndedJob]:
        """Jobs of which something must be gone now; locked until the transaction ends."""
        rows = await self.connection.fetch(
            """
            SELECT upload_id, state, renditions FROM job WHERE clean_at <= now() AND state <> 'open'
            ORDER BY clean_at LIMIT $1 FOR UPDATE SKIP LOCKED
            """,
            limit,
        )
        return [_ended(row) for row in rows]

    async def cleaned(self, upload_ids: Sequence[UploadId]) -> None:
        await self.connection.execute(
            """
            UPDATE job SET clean_at = NULL, renditions = CASE WHEN state = 'completed' THEN renditions END, changed_at = now()
            WHERE upload_id = ANY($1)
            """,
            list(upload_ids),
        )

    async def forget(self, limit: int, age: timedelta) -> int:
        """Drops jobs whose file was removed so long ago and whose renditions are gone; how many."""
        rows = await self.connection.fetch(
            """
            DELETE FROM job WHERE upload_id IN (
                SELECT upload_id FROM job WHERE state = 'removed' AND clean_at IS NULL AND changed_at < now() - $2::interval
                LIMIT $1 FOR UPDATE SKIP LOCKED
            )
            RETURNING upload_id
            """,
            limit,
            age,
        )
        return len(rows)

    async def depths(self) -> dict[str, int]:
        """Open jobs by lane."""
        rows = await self.connection.fetch("SELECT lane, count(*) AS jobs FROM job WHERE state = 'open' GROUP BY lane")
        return {row["lane"]: row["jobs"] for row in rows}


def _held(jobs: Sequence[Job]) -> tuple[list[UUID], list[UUID]]:
    return [job.upload.upload_id for job in jobs], [job.lease for job in jobs]


def _ended(row: Any) -> EndedJob:
    renditions = [Rendition.model_validate(rendition) for rendition in json.loads(row["renditions"] or "[]")]
    playlists = tuple(rendition.key for rendition in renditions if rendition.kind == "hls_playlist")
    return EndedJob(UploadId(row["upload_id"]), row["state"], playlists)


def _job(row: Any) -> Job:
    cause = Envelope.model_validate_json(row["envelope"])
    return Job(
        upload=UploadCompleted.model_validate(cause.data), cause=cause, lease=row["lease"], attempts=row["attempts"],
        store_errors=row["store_errors"], mime_type=row["mime_type"], percent=row["percent"],
    )  # fmt: skip

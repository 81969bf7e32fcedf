"""All SQL of the transcoder."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from contracts.envelope import Envelope
from contracts.events import Rendition, UploadCompleted
from contracts.ids import UploadId
from libs.postgres.database import Connection
from services.transcoder.domain.job import EndedJob, Job, Lane


@dataclass(frozen=True)
class TranscoderStore:
    connection: Connection

    async def request(self, envelopes: Sequence[Envelope]) -> None:
        """A job for each of these `UploadCompleted`; nothing where one exists or the file is already removed."""
        await self.connection.execute(
            """
            INSERT INTO job (upload_id, state, envelope)
            SELECT upload_id, 'open', envelope FROM unnest($1::uuid[], $2::text[]) AS x (upload_id, envelope) ORDER BY upload_id
            ON CONFLICT (upload_id) DO NOTHING
            """,
            [UUID(envelope.subject) for envelope in envelopes],
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

    async def claim(self, lane: Lane, limit: int, lease_seconds: float) -> list[Job]:
        """Up to `limit` due jobs, oldest first, ours until the lease ends. A job whose lease ended is due again."""
        rows = await self.connection.fetch(
            """
            UPDATE job SET lease = $3, attempts = attempts + 1, next_at = now() + $4 * interval '1 second', changed_at = now()
            WHERE upload_id IN (
                SELECT upload_id FROM job WHERE state = 'open' AND lane = $1 AND next_at <= now()
                ORDER BY next_at LIMIT $2 FOR UPDATE SKIP LOCKED
            )
            RETURNING envelope, lease, attempts, store_errors, mime_type, percent
            """,
            lane,
            limit,
            uuid4(),
            lease_seconds,
        )
        return [_job(row) for row in rows]

    async def extend(self, job: Job, lease_seconds: float, percent: int) -> bool:
        """Keeps the lease, notes the progress; False where the job is no longer ours."""
        status = await self.connection.execute(
            """
            UPDATE job SET next_at = now() + $3 * interval '1 second', percent = greatest(percent, $4), changed_at = now()
            WHERE upload_id = $1 AND lease = $2 AND state = 'open'
            """,
            job.upload.upload_id,
            job.lease,
            lease_seconds,
            percent,
        )
        return status == "UPDATE 1"

    async def move(self, job: Job, lane: Lane, mime_type: str) -> bool:
        """Ends sniffing: the job is due in another lane, with its attempts counted anew."""
        status = await self.connection.execute(
            """
            UPDATE job SET lane = $3, mime_type = $4, lease = NULL, attempts = 0, store_errors = 0,
                next_at = now(), changed_at = now()
            WHERE upload_id = $1 AND lease = $2 AND state = 'open'
            """,
            job.upload.upload_id,
            job.lease,
            lane,
            mime_type,
        )
        return status == "UPDATE 1"

    async def complete(self, jobs: Sequence[Job], mime_types: Sequence[str], renditions: Sequence[Rendition] = ()) -> set[UUID]:
        """Ends jobs of one claim well; answers which of them were still ours.

        What was published of a video while it was made is cleaned when its viewers have turned to the final playlists.
        """
        rows = await self.connection.fetch(
            """
            UPDATE job SET state = 'completed', lease = NULL, percent = 100, mime_type = found.mime_type, renditions = $4,
                clean_at = CASE WHEN lane = 'video' THEN now() + interval '10 minutes' END, changed_at = now()
            FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS found (upload_id, lease, mime_type)
            WHERE job.upload_id = found.upload_id AND job.lease = found.lease AND job.state = 'open'
            RETURNING job.upload_id
            """,
            [job.upload.upload_id for job in jobs],
            [job.lease for job in jobs],
            list(mime_types),
            json.dumps([rendition.model_dump(mode="json") for rendition in renditions]),
        )
        return {row["upload_id"] for row in rows}

    async def fail(self, job: Job, code: str) -> bool:
        """Ends the job for good; False where it is no longer ours. What was published of a video by then must be gone."""
        status = await self.connection.execute(
            """
            UPDATE job SET state = 'failed', lease = NULL, error_code = $3, changed_at = now(),
                clean_at = CASE WHEN lane = 'video' THEN now() END
            WHERE upload_id = $1 AND lease = $2 AND state = 'open'
            """,
            job.upload.upload_id,
            job.lease,
            code,
        )
        return status == "UPDATE 1"

    async def postpone(self, job: Job, seconds: float, *, counted: bool, store_error: bool = False) -> None:
        """Gives the job back, due after `seconds`; unless `counted` this attempt does not count."""
        await self.connection.execute(
            """
            UPDATE job SET lease = NULL, next_at = now() + $3 * interval '1 second', changed_at = now(),
                attempts = attempts - $4, store_errors = store_errors + $5
            WHERE upload_id = $1 AND lease = $2 AND state = 'open'
            """,
            job.upload.upload_id,
            job.lease,
            seconds,
            0 if counted else 1,
            1 if store_error else 0,
        )

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

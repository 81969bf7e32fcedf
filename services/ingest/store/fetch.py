"""Fetches, one method per statement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from contracts.envelope import Envelope
from contracts.events import FetchRequested
from contracts.ids import TenantId, UploadId
from libs.jobs.claim import ClaimLimits, due_in_turns
from libs.postgres.database import Connection
from services.ingest.domain.fetch import Fetch, Found
from services.ingest.domain.outcome import Failed, Fetched, Postponed
from services.ingest.domain.progress import Progress

STILL_OURS = "WHERE f.upload_id = held.upload_id AND f.lease = held.lease AND f.state = 'open'"


@dataclass(frozen=True)
class IngestStore:
    connection: Connection

    # ------------------------------------------------------------ what events say

    async def request(self, envelopes: Sequence[Envelope]) -> None:
        """A fetch for each of these `FetchRequested`; nothing where there was one, or its upload has ended."""
        await self.connection.execute(
            """
            INSERT INTO fetches (upload_id, tenant_id, state, envelope)
            SELECT upload_id, tenant_id, 'open', envelope
            FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS x (upload_id, tenant_id, envelope) ORDER BY upload_id
            ON CONFLICT (upload_id) DO NOTHING
            """,
            [UUID(envelope.subject) for envelope in envelopes],
            [UUID(envelope.data["tenant_id"]) for envelope in envelopes],
            [envelope.model_dump_json() for envelope in envelopes],
        )

    async def forbid(self, tenants: Mapping[UploadId, TenantId]) -> None:
        """Ends the fetches of these uploads without a word; nothing will be fetched for them should that be asked for later.

        `tenants`: upload → whose it is.
        """
        await self.connection.execute(
            """
            INSERT INTO fetches AS f (upload_id, tenant_id, state, ended_at)
            SELECT upload_id, tenant_id, 'cancelled', now()
            FROM unnest($1::uuid[], $2::uuid[]) AS x (upload_id, tenant_id) ORDER BY upload_id
            ON CONFLICT (upload_id) DO UPDATE SET state = 'cancelled', envelope = NULL, lease = NULL, ended_at = now()
            WHERE f.state = 'open'
            """,
            list(tenants),
            list(tenants.values()),
        )

    async def complete_stored(self, upload_ids: Sequence[UploadId]) -> dict[UploadId, Found]:
        """Ends fetches well whoever has them; what their heads said, of those that were open and had begun."""
        rows = await self.connection.fetch(
            """
            UPDATE fetches SET state = 'completed', envelope = NULL, lease = NULL, ended_at = now()
            WHERE upload_id = ANY($1) AND state = 'open' AND has_begun
            RETURNING upload_id, file_name, content_type, total_bytes
            """,
            list(upload_ids),
        )
        return {row["upload_id"]: Found(row["file_name"], row["content_type"], row["total_bytes"]) for row in rows}

    # ------------------------------------------------------------ fetching

    async def claim(self, limits: ClaimLimits, lease_seconds: float) -> list[Fetch]:
        """Due fetches of tenants in turn, ours until the lease ends; one whose lease ended is due again."""
        rows = await self.connection.fetch(
            f"""
            {due_in_turns(table="fetches", key="upload_id", due_at="next_at", condition="state = 'open'")}
            UPDATE fetches SET lease = gen_random_uuid(), attempts = attempts + 1, next_at = now() + $6 * interval '1 second'
            WHERE upload_id = ANY (ARRAY(SELECT upload_id FROM chosen))
            RETURNING fetches.*
            """,
            *limits.arguments,
            lease_seconds,
        )
        return [_fetch(row) for row in rows]

    async def renew(self, fetches: Sequence[Fetch], lease_seconds: float) -> set[UUID]:
        """The leases that are still ours."""
        rows = await self.connection.fetch(
            f"""
            UPDATE fetches f SET next_at = now() + $3 * interval '1 second'
            FROM unnest($1::uuid[], $2::uuid[]) AS held (upload_id, lease) {STILL_OURS} RETURNING f.lease
            """,
            *_held(fetches),
            lease_seconds,
        )
        return {row["lease"] for row in rows}

    async def begin(self, fetch: Fetch, found: Found) -> bool:
        """Notes what the answer's head said; False where the fetch is no longer ours."""
        status = await self.connection.execute(
            """
            UPDATE fetches SET has_begun = true, file_name = $3, content_type = $4, total_bytes = $5, store_errors = 0
            WHERE upload_id = $1 AND lease = $2 AND state = 'open'
            """,
            fetch.request.upload_id,
            fetch.lease,
            found.file_name,
            found.content_type,
            found.total_bytes,
        )
        return status == "UPDATE 1"

    async def report(self, fetch: Fetch, progress: Progress) -> int | None:
        """Counts a report; its number, or None where the fetch is no longer ours."""
        number: int | None = await self.connection.fetchval(
            """
            UPDATE fetches SET reports = reports + 1, reported_bytes = $3
            WHERE upload_id = $1 AND lease = $2 AND state = 'open' RETURNING reports
            """,
            fetch.request.upload_id,
            fetch.lease,
            progress.reported_bytes,
        )
        return number

    async def end(self, ended: Sequence[tuple[Fetch, Fetched | Failed]]) -> set[UUID]:
        """Ends fetches, well or with a code; the leases among theirs that were still ours."""
        rows = await self.connection.fetch(
            f"""
            UPDATE fetches f SET state = CASE WHEN held.code IS NULL THEN 'completed' ELSE 'failed' END,
                error_code = held.code, envelope = NULL, lease = NULL, ended_at = now()
            FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS held (upload_id, lease, code) {STILL_OURS} RETURNING held.lease
            """,
            *_held([fetch for fetch, _ in ended]),
            [outcome.code if isinstance(outcome, Failed) else None for _, outcome in ended],
        )
        return {row["lease"] for row in rows}

    async def postpone(self, postponed: Sequence[tuple[Fetch, Postponed]]) -> None:
        """Gives the fetches back: these claims ended in order."""
        await self.connection.execute(
            f"""
            UPDATE fetches f SET lease = NULL, next_at = now() + held.seconds * interval '1 second', attempts = attempts - 1,
                failures = f.failures + held.failures, store_errors = f.store_errors + held.store_errors
            FROM unnest($1::uuid[], $2::uuid[], $3::float8[], $4::int[], $5::int[])
                AS held (upload_id, lease, seconds, failures, store_errors) {STILL_OURS}
            """,
            *_held([fetch for fetch, _ in postponed]),
            [outcome.seconds for _, outcome in postponed],
            [outcome.failures for _, outcome in postponed],
            [outcome.store_errors for _, outcome in postponed],
        )

    async def is_cancelled(self, upload_id: UploadId) -> bool:
        return bool(await self.connection.fetchval("SELECT state = 'cancelled' FROM fetches WHERE upload_id = $1", upload_id))

    # ------------------------------------------------------------ upkeep

    async def backlog(self) -> tuple[int, float]:
        """How many fetches have not ended, and the age of the oldest of them in seconds."""
        row = await self.connection.fetchrow(
            """
            SELECT count(*) AS pending, coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS oldest
            FROM fetches WHERE state = 'open'
            """
        )
        assert row is not None
        return row["pending"], row["oldest"]

    async def purge(self, age: timedelta, limit: int) -> int:
        status = await self.connection.execute(
            """
            DELETE FROM fetches WHERE upload_id = ANY (
                ARRAY(SELECT upload_id FROM fetches WHERE ended_at <= now() - $1::interval LIMIT $2)
            )
            """,
            age,
            limit,
        )
        return int(status.split()[-1])


def _held(fetches: Sequence[Fetch]) -> tuple[list[UUID], list[UUID]]:
    return [fetch.request.upload_id for fetch in fetches], [fetch.lease for fetch in fetches]


def _fetch(row: Any) -> Fetch:
    cause = Envelope.model_validate_json(row["envelope"])
    return Fetch(
        request=FetchRequested.model_validate(cause.data), cause=cause, lease=row["lease"], attempts=row["attempts"],
        failures=row["failures"], store_errors=row["store_errors"],
        found=Found(row["file_name"], row["content_type"], row["total_bytes"]) if row["has_begun"] else None,
        reports=row["reports"], reported_bytes=row["reported_bytes"],
    )  # fmt: skip

"""Fetches, one method per statement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from contracts.envelope import Envelope
from contracts.events import FetchRequested
from contracts.ids import TenantId, UploadId
from libs.postgres.database import Connection
from services.ingest.domain.fetch import Fetch, Found
from services.ingest.domain.progress import Progress

CANDIDATES = 1000
"""Of the due fetches, the oldest among which a claim chooses."""


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

    async def claim(self, *, limit: int, places: int, free: dict[TenantId, int], lease_seconds: float) -> list[Fetch]:
        """Due fetches, oldest first: at most `limit`, per tenant at most `places` or what is `free`.

        They are ours until the lease ends; one whose lease ended is due again.
        """
        rows = await self.connection.fetch(
            """
            WITH candidates AS (
                SELECT d.upload_id, d.tenant_id, d.next_at, coalesce(f.free, $4) AS free
                FROM fetches d LEFT JOIN unnest($2::uuid[], $3::int[]) AS f (tenant_id, free) USING (tenant_id)
                WHERE d.state = 'open' AND d.next_at <= now() AND coalesce(f.free, $4) > 0
                ORDER BY d.next_at LIMIT $7
            ), ranked AS (
                SELECT upload_id, next_at, free,
                       row_number() OVER (PARTITION BY tenant_id ORDER BY next_at, upload_id) AS place
                FROM candidates
            ), taken AS (
                SELECT upload_id FROM fetches
                WHERE upload_id = ANY (ARRAY(SELECT upload_id FROM ranked WHERE place <= free ORDER BY next_at LIMIT $1))
                  AND state = 'open' AND next_at <= now()
                FOR UPDATE SKIP LOCKED
            )
            UPDATE fetches SET lease = $5, attempts = attempts + 1, next_at = now() + $6 * interval '1 second'
            FROM taken WHERE fetches.upload_id = taken.upload_id
            RETURNING fetches.*
            """,
            limit,
            list(free),
            list(free.values()),
            places,
            uuid4(),
            lease_seconds,
            CANDIDATES,
        )
        return [_fetch(row) for row in rows]

    async def extend(self, fetch: Fetch, lease_seconds: float) -> bool:
        """Keeps the lease; False where the fetch is no longer ours."""
        status = await self.connection.execute(
            """
            UPDATE fetches SET next_at = now() + $3 * interval '1 second'
            WHERE upload_id = $1 AND lease = $2 AND state = 'open'
            """,
            fetch.request.upload_id,
            fetch.lease,
            lease_seconds,
        )
        return status == "UPDATE 1"

    async def begin(self, fetch: Fetch, found: Found, lease_seconds: float) -> bool:
        """Notes what the answer's head said and keeps the lease; False where the fetch is no longer ours."""
        status = await self.connection.execute(
            """
            UPDATE fetches SET has_begun = true, file_name = $4, content_type = $5, total_bytes = $6, store_errors = 0,
                next_at = now() + $3 * interval '1 second'
            WHERE upload_id = $1 AND lease = $2 AND state = 'open'
            """,
            fetch.request.upload_id,
            fetch.lease,
            lease_seconds,
            found.file_name,
            found.content_type,
            found.total_bytes,
        )
        return status == "UPDATE 1"

    async def report(self, fetch: Fetch, progress: Progress, lease_seconds: float) -> int | None:
        """Counts a report and keeps the lease; the report's number, or None where the fetch is no longer ours."""
        number: int | None = await self.connection.fetchval(
            """
            UPDATE fetches SET reports = reports + 1, reported_bytes = $4, next_at = now() + $3 * interval '1 second'
            WHERE upload_id = $1 AND lease = $2 AND state = 'open' RETURNING reports
            """,
            fetch.request.upload_id,
            fetch.lease,
            lease_seconds,
            progress.done_bytes,
        )
        return number

    async def end(self, fetch: Fetch, error_code: str | None) -> bool:
        """Ends the fetch, well or with a code; False where it is no longer ours."""
        status = await self.connection.execute(
            """
            UPDATE fetches SET state = CASE WHEN $3::text IS NULL THEN 'completed' ELSE 'failed' END, error_code = $3,
                envelope = NULL, lease = NULL, ended_at = now()
            WHERE upload_id = $1 AND lease = $2 AND state = 'open'
            """,
            fetch.request.upload_id,
            fetch.lease,
            error_code,
        )
        return status == "UPDATE 1"

    async def postpone(self, fetch: Fetch, seconds: float, *, failures: int = 0, store_errors: int = 0) -> None:
        """Gives the fetch back, due after `seconds`: this claim ended in order."""
        await self.connection.execute(
            """
            UPDATE fetches SET lease = NULL, next_at = now() + $3 * interval '1 second', attempts = attempts - 1,
                failures = failures + $4, store_errors = store_errors + $5
            WHERE upload_id = $1 AND lease = $2 AND state = 'open'
            """,
            fetch.request.upload_id,
            fetch.lease,
            seconds,
            failures,
            store_errors,
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

    async def purge(self, before: datetime, limit: int) -> int:
        status = await self.connection.execute(
            "DELETE FROM fetches WHERE upload_id = ANY (ARRAY(SELECT upload_id FROM fetches WHERE ended_at < $1 LIMIT $2))",
            before,
            limit,
        )
        return int(status.split()[-1])


def _fetch(row: Any) -> Fetch:
    cause = Envelope.model_validate_json(row["envelope"])
    return Fetch(
        request=FetchRequested.model_validate(cause.data), cause=cause, lease=row["lease"], attempts=row["attempts"],
        failures=row["failures"], store_errors=row["store_errors"],
        found=Found(row["file_name"], row["content_type"], row["total_bytes"]) if row["has_begun"] else None,
        reports=row["reports"], reported_bytes=row["reported_bytes"],
    )  # fmt: skip

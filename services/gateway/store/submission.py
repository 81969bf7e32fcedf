"""Uploads that are to be published: their sessions, and the tenant's history of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from contracts.ids import TenantId, UploadId
from libs.postgres.database import Connection
from services.gateway.domain.account import AccountId
from services.gateway.domain.submission import Submission, SubmissionState
from services.gateway.domain.upload import Upload
from services.gateway.store.upload import QUALIFIED_COLUMNS, upload_of

SUBMISSION = "upload_id, tenant_id, part_bytes, state, expires_at, completed_at"


class SubmissionStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def insert(self, batch: Sequence[tuple[Submission, bytes | None]]) -> None:
        """Each with the hash of its session's token, where it has one."""
        rows = [
            (new.upload_id, new.tenant_id, token_hash, new.part_bytes, new.state.value, new.expires_at, new.completed_at)
            for new, token_hash in batch
        ]
        await self._connection.execute(
            """
            INSERT INTO submissions (upload_id, tenant_id, token_hash, part_bytes, state, expires_at, completed_at)
            SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::bigint[], $5::text[], $6::timestamptz[],
                                 $7::timestamptz[])
            """,
            *zip(*rows, strict=True),
        )

    async def existing(self, upload_ids: Sequence[UploadId]) -> set[UploadId]:
        """Those of `upload_ids` that were submitted."""
        rows = await self._connection.fetch("SELECT upload_id FROM submissions WHERE upload_id = ANY ($1::uuid[])", upload_ids)
        return {row["upload_id"] for row in rows}

    async def find_by_token(self, tenant_id: TenantId, token_hash: bytes) -> Submission | None:
        row = await self._connection.fetchrow(
            f"SELECT {SUBMISSION} FROM submissions WHERE token_hash = $1 AND tenant_id = $2", token_hash, tenant_id
        )
        return _submission(row) if row else None

    async def lock(self, upload_id: UploadId) -> Submission:
        row = await self._connection.fetchrow(
            f"SELECT {SUBMISSION} FROM submissions WHERE upload_id = $1 FOR UPDATE", upload_id
        )
        assert row is not None, "a submission is forgotten long after its end"
        return _submission(row)

    async def end(self, upload_id: UploadId, state: SubmissionState, *, completed_at: datetime | None = None) -> None:
        await self._connection.execute(
            "UPDATE submissions SET state = $2, completed_at = $3 WHERE upload_id = $1", upload_id, state.value, completed_at
        )

    async def lock_overdue(self, now: datetime, limit: int) -> list[Submission]:
        """Open ones that nobody may complete any more and nobody else is looking at."""
        rows = await self._connection.fetch(
            f"""
            SELECT {SUBMISSION} FROM submissions WHERE state = 'open' AND expires_at <= $1
            ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
            """,
            now,
            limit,
        )
        return [_submission(row) for row in rows]

    async def find_completed(self, tenant_id: TenantId, upload_id: UploadId) -> tuple[Submission, Upload] | None:
        rows = await self._history("s.upload_id = $2", tenant_id, upload_id)
        return rows[0] if rows else None

    async def newest(
        self,
        tenant_id: TenantId,
        *,
        status: str | None,
        account_id: AccountId | None,
        since: datetime | None,
        until: datetime | None,
        before: tuple[datetime, UUID] | None,
        limit: int,
    ) -> list[tuple[Submission, Upload]]:
        """Completed ones of the tenant, newest first, those before (completed_at, id).

        `status`: `scheduled`, `processing`, `uploaded` or `failed`, as `domain.publication.aggregate` has it; `since` is
        inside of the range, `until` outside.
        """
        completed_at, upload_id = before or (None, None)
        return await self._history(
            """
                  ($2::timestamptz IS NULL OR (s.completed_at, s.upload_id) < ($2, $3::uuid))
              AND ($4::timestamptz IS NULL OR s.completed_at >= $4)
              AND ($5::timestamptz IS NULL OR s.completed_at < $5)
              AND ($6::uuid IS NULL OR EXISTS (
                     SELECT FROM publications WHERE upload_id = s.upload_id AND account_id = $6))
              AND ($7::text IS NULL OR $7 = (
                     SELECT CASE WHEN bool_or(busy) OR (bool_or(waits) AND bool_or(done)) THEN 'processing'
                                 WHEN bool_or(waits) THEN 'scheduled'
                                 WHEN bool_or(status = 'failed') THEN 'failed'
                                 ELSE 'uploaded' END
                     FROM (SELECT status, status = 'published' AS done, status = 'scheduled' AND due_at IS NOT NULL AS waits,
                                  status IN ('dispatching', 'retrying') OR (status = 'scheduled' AND due_at IS NULL) AS busy
                           FROM publications WHERE upload_id = s.upload_id) AS entry))
            ORDER BY s.completed_at DESC, s.upload_id DESC LIMIT $8
            """,
            tenant_id,
            completed_at,
            upload_id,
            since,
            until,
            account_id,
            status,
            limit,
        )

    async def _history(self, condition: str, *values: Any) -> list[tuple[Submission, Upload]]:
        rows = await self._connection.fetch(
            f"""
            SELECT s.part_bytes, s.state AS submission_state, s.expires_at, s.completed_at AS submitted_at, {QUALIFIED_COLUMNS}
            FROM submissions s JOIN uploads u ON u.id = s.upload_id
            WHERE s.tenant_id = $1 AND s.completed_at IS NOT NULL AND {condition}
            """,
            *values,
        )
        return [_completed(row) for row in rows]


def _submission(row: asyncpg.Record) -> Submission:
    return Submission(**{**row, "state": SubmissionState(row["state"])})


def _completed(row: asyncpg.Record) -> tuple[Submission, Upload]:
    values = dict(row)
    part_bytes, state, expires_at, completed_at = (
        values.pop(name) for name in ("part_bytes", "submission_state", "expires_at", "submitted_at")
    )
    upload = upload_of(values)
    return Submission(upload.id, upload.tenant_id, part_bytes, SubmissionState(state), expires_at, completed_at), upload

"""All SQL of the session service."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from contracts.events import Constraints, StoredObject
from contracts.ids import UploadId
from libs.postgres.database import Connection
from services.session.domain.session import Session, State

COLUMNS = (
    "upload_id", "tenant_id", "state", "changed_at", "traceparent", "staging_key", "multipart_id", "object_key", "constraints",
    "file_name", "transcode", "deadline_at", "staged", "file", "completed_at", "file_expires_at", "retention_revision",
    "abort_reason", "reject_code", "reject_message", "removal", "cleanup_at", "cleanups", "failed_scans",
)  # fmt: skip
"""The fields of a `Session`, in order of the statements' parameters."""

_SELECTED = ", ".join(COLUMNS)
_QUALIFIED = ", ".join(f"s.{column}" for column in COLUMNS)
_PARAMETERS = ", ".join(f"${number}" for number in range(1, len(COLUMNS) + 1))
_ASSIGNMENTS = ", ".join(f"{column} = ${number}" for number, column in enumerate(COLUMNS, 1) if number > 1)
_STAGED = f"${COLUMNS.index('staged') + 1}::jsonb"
_STATE = f"${COLUMNS.index('state') + 1}::text"

LOCK = f"SELECT {_SELECTED} FROM sessions WHERE upload_id = $1 FOR UPDATE"

INSERT = f"""
    INSERT INTO sessions ({_SELECTED}, staged_bytes, promote_at)
    VALUES ({_PARAMETERS}, ({_STAGED}->>'size_bytes')::bigint, CASE WHEN {_STATE} = 'stored' THEN now() END)
    ON CONFLICT (upload_id) DO NOTHING
    RETURNING true
"""

UPDATE = f"""
    UPDATE sessions
    SET {_ASSIGNMENTS},
        staged_bytes = ({_STAGED}->>'size_bytes')::bigint,
        promote_at = CASE WHEN {_STATE} = 'stored' AND state <> 'stored' THEN now() ELSE promote_at END
    WHERE upload_id = $1
"""

CLAIM_PROMOTIONS = f"""
    WITH due AS (
        SELECT upload_id FROM sessions
        WHERE state = 'stored' AND promote_at <= now() AND staged_bytes BETWEEN $4 AND $5
        ORDER BY promote_at LIMIT $3 FOR UPDATE SKIP LOCKED
    )
    UPDATE sessions s
    SET lease_owner = $1, promote_at = now() + $2::interval, promote_attempts = least(promote_attempts + 1, 10000)
    FROM due WHERE s.upload_id = due.upload_id
    RETURNING {_QUALIFIED}
"""

RENEW = """
    UPDATE sessions SET promote_at = now() + $2::interval
    WHERE upload_id = ANY($3) AND lease_owner = $1 AND state = 'stored'
    RETURNING upload_id
"""

COMPLETE = f"""
    UPDATE sessions s
    SET state = 'completed', changed_at = $2, completed_at = $2, file = x.file::jsonb, lease_owner = NULL,
        promote_at = NULL, cleanup_at = $2, cleanups = 0
    FROM unnest($3::uuid[], $4::text[]) AS x (upload_id, file)
    WHERE s.upload_id = x.upload_id AND s.lease_owner = $1 AND s.state = 'stored'
    RETURNING {_QUALIFIED}
"""

REJECT = f"""
    UPDATE sessions s
    SET state = 'rejected', changed_at = $2, reject_code = x.code, reject_message = x.message, lease_owner = NULL,
        promote_at = NULL, cleanup_at = $2, cleanups = 0
    FROM unnest($3::uuid[], $4::text[], $5::text[]) AS x (upload_id, code, message)
    WHERE s.upload_id = x.upload_id AND s.lease_owner = $1 AND s.state = 'stored'
    RETURNING {_QUALIFIED}
"""

# The staged object is kept: when the same bytes come again their announcement has an id that was handled already, and the
# deadline job finds them.
AWAIT_AGAIN = """
    UPDATE sessions SET state = 'registered', lease_owner = NULL, promote_at = NULL, promote_attempts = 0
    WHERE upload_id = ANY($2) AND lease_owner = $1 AND state = 'stored'
"""

POSTPONE = """
    UPDATE sessions
    SET lease_owner = NULL, promote_at = now() + least(60, power(2, least(promote_attempts, 7) - 1)) * interval '1 second',
        failed_scans = failed_scans + $3
    WHERE upload_id = ANY($2) AND lease_owner = $1 AND state = 'stored'
"""

RELEASE = """
    UPDATE sessions SET lease_owner = NULL, promote_at = now(), promote_attempts = greatest(promote_attempts - 1, 0)
    WHERE upload_id = ANY($2) AND lease_owner = $1 AND state = 'stored'
"""

CLEAN_ORPHANS = """
    UPDATE sessions SET cleanup_at = now(), cleanups = 0
    WHERE upload_id = ANY($1) AND (state IN ('rejected', 'aborted', 'expired') OR removal IS NOT NULL)
"""

CLAIM_DEADLINES = f"""
    WITH due AS (
        SELECT upload_id FROM sessions
        WHERE state = 'registered' AND deadline_at <= now()
        ORDER BY deadline_at LIMIT $1 FOR UPDATE SKIP LOCKED
    )
    UPDATE sessions s SET deadline_at = now() + $2::interval
    FROM due WHERE s.upload_id = due.upload_id
    RETURNING {_QUALIFIED}
"""

EXPIRE = f"""
    UPDATE sessions s SET state = 'expired', changed_at = $2, cleanup_at = $2, cleanups = 0
    WHERE upload_id = ANY($1) AND state = 'registered'
    RETURNING {_QUALIFIED}
"""

RESTORE = """
    UPDATE sessions SET state = 'stored', promote_at = now()
    WHERE upload_id = ANY($1) AND state = 'registered'
"""

END_RETENTION = """
    WITH due AS (
        SELECT upload_id FROM sessions
        WHERE state = 'completed' AND removal IS NULL AND file_expires_at <= now() - $2::interval
        ORDER BY file_expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
    )
    UPDATE sessions s SET removal = 'expired', cleanup_at = now(), cleanups = 0
    FROM due WHERE s.upload_id = due.upload_id
    RETURNING s.upload_id
"""

CLAIM_CLEANUPS = f"""
    WITH due AS (
        SELECT upload_id FROM sessions
        WHERE cleanup_at <= now()
        ORDER BY cleanup_at LIMIT $1 FOR UPDATE SKIP LOCKED
    )
    UPDATE sessions s
    SET cleanup_at = now() + power(2, least(cleanup_attempts, 5)) * $2::interval,
        cleanup_attempts = least(cleanup_attempts + 1, 100)
    FROM due WHERE s.upload_id = due.upload_id
    RETURNING {_QUALIFIED}
"""

# `cleanup_at` is the claim's token: where it changed meanwhile there is more to clean, and this cleaning does not count.
FINISH_CLEANUPS = f"""
    UPDATE sessions s
    SET cleanup_at = x.next_at,
        cleanups = s.cleanups + 1,
        cleanup_attempts = 0,
        state = CASE WHEN s.removal IS NULL THEN s.state ELSE 'removed' END,
        changed_at = CASE WHEN s.removal IS NULL OR s.state = 'removed' THEN s.changed_at ELSE $4 END
    FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) AS x (upload_id, claimed_at, next_at)
    WHERE s.upload_id = x.upload_id AND s.cleanup_at = x.claimed_at
    RETURNING {_QUALIFIED}
"""

FORGET = """
    DELETE FROM sessions WHERE upload_id IN (
        SELECT upload_id FROM sessions
        WHERE state IN ('rejected', 'aborted', 'expired', 'removed') AND cleanup_at IS NULL
          AND changed_at < now() - $2::interval
        LIMIT $1 FOR UPDATE SKIP LOCKED
    )
    RETURNING upload_id
"""

WAITING = """
    SELECT (SELECT count(*) FROM sessions WHERE state = 'stored') AS promotion,
           (SELECT count(*) FROM sessions WHERE cleanup_at <= now()) AS cleanup,
           (SELECT count(*) FROM sessions WHERE state = 'registered' AND deadline_at <= now()) AS deadline
"""


class SessionStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def lock(self, upload_id: UploadId) -> Session | None:
        row = await self._connection.fetchrow(LOCK, upload_id)
        return _session(row) if row else None

    async def insert(self, session: Session) -> bool:
        """False: somebody else was first; nothing was written."""
        return bool(await self._connection.fetchval(INSERT, *_values(session)))

    async def update(self, session: Session) -> None:
        await self._connection.execute(UPDATE, *_values(session))

    async def claim_promotions(
        self, owner: UUID, lease: timedelta, limit: int, min_bytes: int, max_bytes: int
    ) -> list[Session]:
        rows = await self._connection.fetch(CLAIM_PROMOTIONS, owner, lease, limit, min_bytes, max_bytes)
        return [_session(row) for row in rows]

    async def renew(self, owner: UUID, lease: timedelta, upload_ids: Sequence[UploadId]) -> set[UploadId]:
        """Those whose lease still is the owner's, now longer."""
        return {row["upload_id"] for row in await self._connection.fetch(RENEW, owner, lease, list(upload_ids))}

    async def complete(self, owner: UUID, files: Sequence[tuple[UploadId, StoredObject]], now: datetime) -> list[Session]:
        ids = [upload_id for upload_id, _ in files]
        contents = [file.model_dump_json() for _, file in files]
        return [_session(row) for row in await self._connection.fetch(COMPLETE, owner, now, ids, contents)]

    async def reject(self, owner: UUID, rejections: Sequence[tuple[UploadId, str, str]], now: datetime) -> list[Session]:
        """`rejections`: upload, code, message."""
        ids, codes, messages = (list(column) for column in zip(*rejections, strict=True))
        return [_session(row) for row in await self._connection.fetch(REJECT, owner, now, ids, codes, messages)]

    async def await_again(self, owner: UUID, upload_ids: Sequence[UploadId]) -> None:
        await self._connection.execute(AWAIT_AGAIN, owner, list(upload_ids))

    async def postpone(self, owner: UUID, upload_ids: Sequence[UploadId], *, failed_scans: int = 0) -> None:
        """The next attempt comes after 1, 2, 4 … 60 s. `failed_scans`: how many this one adds."""
        await self._connection.execute(POSTPONE, owner, list(upload_ids), failed_scans)

    async def release(self, owner: UUID, upload_ids: Sequence[UploadId]) -> None:
        """Due again at once, as if it had not been claimed."""
        await self._connection.execute(RELEASE, owner, list(upload_ids))

    async def clean_orphans(self, upload_ids: Sequence[UploadId]) -> None:
        """What was copied for uploads that ended meanwhile has to go."""
        await self._connection.execute(CLEAN_ORPHANS, list(upload_ids))

    async def claim_deadlines(self, limit: int, postponement: timedelta) -> list[Session]:
        """Registered sessions whose deadline is over; it is moved, so that nobody else looks at them meanwhile."""
        return [_session(row) for row in await self._connection.fetch(CLAIM_DEADLINES, limit, postponement)]

    async def expire(self, upload_ids: Sequence[UploadId], now: datetime) -> list[Session]:
        return [_session(row) for row in await self._connection.fetch(EXPIRE, list(upload_ids), now)]

    async def restore(self, upload_ids: Sequence[UploadId]) -> None:
        """Back to STORED: what was announced, vanished and came back."""
        await self._connection.execute(RESTORE, list(upload_ids))

    async def end_retention(self, limit: int, grace: timedelta) -> list[UploadId]:
        """Marks files for removal whose time is over, by so much at least."""
        return [row["upload_id"] for row in await self._connection.fetch(END_RETENTION, limit, grace)]

    async def forget(self, limit: int, age: timedelta) -> int:
        """Drops sessions that ended so long ago and left nothing in the store; how many."""
        return len(await self._connection.fetch(FORGET, limit, age))

    async def claim_cleanups(self, limit: int, lease: timedelta) -> list[Session]:
        """Due again after `lease`, and twice that after each attempt that came to nothing, up to 32 times as long."""
        return [_session(row) for row in await self._connection.fetch(CLAIM_CLEANUPS, limit, lease)]

    async def finish_cleanups(
        self, cleaned: Sequence[tuple[UploadId, datetime | None, datetime | None]], now: datetime
    ) -> list[Session]:
        """`cleaned`: upload, its `cleanup_at` as claimed, the next time."""
        ids, claimed, following = (list(column) for column in zip(*cleaned, strict=True))
        return [_session(row) for row in await self._connection.fetch(FINISH_CLEANUPS, ids, claimed, following, now)]

    async def waiting(self) -> dict[str, int]:
        """Job → how many sessions wait for it."""
        row = await self._connection.fetchrow(WAITING)
        return dict(row) if row else {}


def _session(row: Any) -> Session:
    values = {column: row[column] for column in COLUMNS}
    values["state"] = State(values["state"])
    if values["constraints"] is not None:
        values["constraints"] = Constraints.model_validate_json(values["constraints"])
    for name in ("staged", "file"):
        if values[name] is not None:
            values[name] = StoredObject.model_validate_json(values[name])
    return Session(**values)


def _values(session: Session) -> list[object]:
    values: list[object] = []
    for column in COLUMNS:
        value = getattr(session, column)
        values.append(value.model_dump_json() if isinstance(value, Constraints | StoredObject) else value)
    return values

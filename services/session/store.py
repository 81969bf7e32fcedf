"""All SQL of the session service."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from contracts.events import Constraints, StoredObject
from contracts.ids import UploadId
from libs.jobs.claim import ClaimLimits, due_in_turns
from libs.postgres.database import Connection
from services.session.domain.lane import LARGE, SMALL, Lane
from services.session.domain.promotion import Postponed, PromotionJob
from services.session.domain.session import Session, State

COLUMNS = {
    "upload_id": "uuid", "tenant_id": "uuid", "state": "text", "changed_at": "timestamptz", "traceparent": "text",
    "transfer": "text", "staging_key": "text", "multipart_id": "text", "object_key": "text", "constraints": "jsonb",
    "file_name": "text", "transcode": "boolean", "deadline_at": "timestamptz", "staged": "jsonb", "file": "jsonb",
    "completed_at": "timestamptz", "file_expires_at": "timestamptz", "retention_revision": "integer", "abort_reason": "text",
    "reject_code": "text", "reject_message": "text", "removal": "text", "cleanup_at": "timestamptz", "cleanups": "smallint",
    "failed_scans": "smallint",
}  # fmt: skip
"""The fields of a `Session`, in order of the statements' parameters, with their types."""


def _waiting(lane: Lane) -> str:
    """Sessions that wait for their promotion, as the index of the lane says it."""
    return f"state = 'stored' AND staged_bytes BETWEEN {lane.min_bytes} AND {lane.max_bytes}"


def _claim(lane: Lane) -> str:
    return f"""
        {due_in_turns(table="sessions", key="upload_id", due_at="promote_at", condition=_waiting(lane))}
        UPDATE sessions s
        SET lease_owner = gen_random_uuid(), promote_at = now() + $6::interval,
            promote_attempts = least(promote_attempts + 1, 10000)
        WHERE upload_id = ANY (ARRAY(SELECT upload_id FROM chosen))
        RETURNING {_SELECTED}, lease_owner, promote_attempts
    """


_SELECTED = ", ".join(COLUMNS)
_QUALIFIED = ", ".join(f"s.{column}" for column in COLUMNS)
_ROWS = f"unnest({', '.join(f'${number}::{kind}[]' for number, kind in enumerate(COLUMNS.values(), 1))}) AS x ({_SELECTED})"
_ASSIGNMENTS = ", ".join(f"{column} = x.{column}" for column in COLUMNS if column != "upload_id")

# The database's time comes along, even where no session is known.
LOCK = f"""
    SELECT clock.now, locked.* FROM (SELECT now() AS now) AS clock LEFT JOIN LATERAL (
        SELECT {_SELECTED} FROM sessions WHERE upload_id = ANY($1) ORDER BY upload_id FOR UPDATE
    ) AS locked ON true
"""

LOCK_CLAIMED = f"""
    SELECT now() AS now, {_SELECTED} FROM sessions
    WHERE upload_id = ANY($1) AND lease_owner = ANY($2) AND state = 'stored' ORDER BY upload_id FOR UPDATE
"""

CLAIM_PROMOTIONS = {lane: _claim(lane) for lane in (SMALL, LARGE)}

INSERT = f"""
    INSERT INTO sessions ({_SELECTED}, staged_bytes, promote_at)
    SELECT {_SELECTED}, (x.staged->>'size_bytes')::bigint, CASE WHEN x.state = 'stored' THEN now() END
    FROM {_ROWS}
    ON CONFLICT (upload_id) DO NOTHING
    RETURNING upload_id
"""

# A session that comes to STORED is due for its promotion at once; in every other state nobody holds or waits for one.
UPDATE = f"""
    UPDATE sessions s
    SET {_ASSIGNMENTS},
        staged_bytes = (x.staged->>'size_bytes')::bigint,
        promote_at = CASE WHEN x.state <> 'stored' THEN NULL WHEN s.state = 'stored' THEN s.promote_at ELSE now() END,
        promote_attempts = CASE WHEN x.state = 'stored' THEN s.promote_attempts ELSE 0 END,
        lease_owner = CASE WHEN x.state = 'stored' THEN s.lease_owner END,
        cleanup_attempts = CASE WHEN x.cleanups > s.cleanups THEN 0 ELSE s.cleanup_attempts END
    FROM {_ROWS}
    WHERE s.upload_id = x.upload_id
"""

STILL_OURS = "s.upload_id = held.upload_id AND s.lease_owner = held.lease AND s.state = 'stored'"

RENEW = f"""
    UPDATE sessions s SET promote_at = now() + $3::interval
    FROM unnest($1::uuid[], $2::uuid[]) AS held (upload_id, lease) WHERE {STILL_OURS}
    RETURNING held.lease
"""

POSTPONE = f"""
    UPDATE sessions s
    SET lease_owner = NULL, promote_at = now() + held.seconds * interval '1 second',
        failed_scans = s.failed_scans + held.failed_scans
    FROM unnest($1::uuid[], $2::uuid[], $3::float8[], $4::int[]) AS held (upload_id, lease, seconds, failed_scans)
    WHERE {STILL_OURS}
"""

RELEASE = f"""
    UPDATE sessions s SET lease_owner = NULL, promote_at = now(), promote_attempts = greatest(promote_attempts - 1, 0)
    FROM unnest($1::uuid[], $2::uuid[]) AS held (upload_id, lease) WHERE {STILL_OURS}
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

DUE_FOR_REMOVAL = f"""
    SELECT now() AS now, {_SELECTED} FROM sessions
    WHERE state = 'completed' AND removal IS NULL AND file_expires_at <= now() - $2::interval
    ORDER BY file_expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
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

FORGET = """
    DELETE FROM sessions WHERE upload_id IN (
        SELECT upload_id FROM sessions
        WHERE state IN ('rejected', 'aborted', 'expired', 'removed') AND cleanup_at IS NULL
          AND changed_at < now() - $2::interval
        LIMIT $1 FOR UPDATE SKIP LOCKED
    )
    RETURNING upload_id
"""

WAITING = f"""
    SELECT (SELECT count(*) FROM sessions WHERE {_waiting(SMALL)}) + (SELECT count(*) FROM sessions WHERE {_waiting(LARGE)})
               AS promotion,
           (SELECT count(*) FROM sessions WHERE cleanup_at <= now()) AS cleanup,
           (SELECT count(*) FROM sessions WHERE state = 'registered' AND deadline_at <= now()) AS deadline
"""


class SessionStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def lock(self, upload_ids: Sequence[UploadId]) -> dict[UploadId, Session]:
        """Those that are known, locked in the order in which everybody locks them."""
        return (await self.lock_at(upload_ids))[0]

    async def lock_at(self, upload_ids: Sequence[UploadId]) -> tuple[dict[UploadId, Session], datetime]:
        """The same, and the time, which is the database's."""
        rows = await self._connection.fetch(LOCK, sorted(set(upload_ids)))
        return {row["upload_id"]: _session(row) for row in rows if row["upload_id"]}, rows[0]["now"]

    async def lock_claimed(self, jobs: Sequence[PromotionJob]) -> tuple[dict[UploadId, Session], datetime | None]:
        """Those whose promotion still is ours to decide, and the database's time where there are any."""
        rows = await self._connection.fetch(LOCK_CLAIMED, *_held(jobs))
        return {row["upload_id"]: _session(row) for row in rows}, rows[0]["now"] if rows else None

    async def insert(self, sessions: Sequence[Session]) -> set[UploadId]:
        """Those that nobody else created before."""
        if not sessions:
            return set()
        return {row["upload_id"] for row in await self._connection.fetch(INSERT, *_columns(sessions))}

    async def update(self, sessions: Sequence[Session]) -> None:
        """Writes sessions that this transaction has locked."""
        if sessions:
            await self._connection.execute(UPDATE, *_columns(sessions))

    async def claim_promotions(self, lane: Lane, limits: ClaimLimits, lease: timedelta) -> list[PromotionJob]:
        """Stored sessions of tenants in turn."""
        rows = await self._connection.fetch(CLAIM_PROMOTIONS[lane], *limits.arguments, lease)
        return [PromotionJob(_session(row), row["lease_owner"], row["promote_attempts"]) for row in rows]

    async def renew(self, jobs: Sequence[PromotionJob], lease: timedelta) -> set[UUID]:
        """The leases that still are ours, now longer."""
        return {row["lease"] for row in await self._connection.fetch(RENEW, *_held(jobs), lease)}

    async def postpone(self, postponed: Sequence[tuple[PromotionJob, Postponed]]) -> None:
        await self._connection.execute(
            POSTPONE,
            *_held([job for job, _ in postponed]),
            [outcome.seconds for _, outcome in postponed],
            [outcome.failed_scans for _, outcome in postponed],
        )

    async def release(self, jobs: Sequence[PromotionJob]) -> None:
        """Due again at once, as if it had not been claimed."""
        await self._connection.execute(RELEASE, *_held(jobs))

    async def clean_orphans(self, upload_ids: Sequence[UploadId]) -> None:
        """What was copied for uploads that ended meanwhile has to go."""
        await self._connection.execute(CLEAN_ORPHANS, list(upload_ids))

    async def claim_deadlines(self, limit: int, postponement: timedelta) -> list[Session]:
        """Registered sessions whose deadline is over; it is moved, so that nobody else looks at them meanwhile."""
        return [_session(row) for row in await self._connection.fetch(CLAIM_DEADLINES, limit, postponement)]

    async def due_for_removal(self, limit: int, grace: timedelta) -> list[tuple[Session, datetime]]:
        """Completed ones whose file's time has been over for `grace` at least, locked; and the database's time."""
        return [(_session(row), row["now"]) for row in await self._connection.fetch(DUE_FOR_REMOVAL, limit, grace)]

    async def forget(self, limit: int, age: timedelta) -> int:
        """Drops sessions that ended so long ago and left nothing in the store; how many."""
        return len(await self._connection.fetch(FORGET, limit, age))

    async def claim_cleanups(self, limit: int, lease: timedelta) -> list[Session]:
        """Due again after `lease`, and twice that after each attempt that came to nothing, up to 32 times as long."""
        return [_session(row) for row in await self._connection.fetch(CLAIM_CLEANUPS, limit, lease)]

    async def waiting(self) -> dict[str, int]:
        """Job → how many sessions wait for it."""
        row = await self._connection.fetchrow(WAITING)
        return dict(row) if row else {}


def _held(jobs: Sequence[PromotionJob]) -> tuple[list[UploadId], list[UUID]]:
    return [job.session.upload_id for job in jobs], [job.lease for job in jobs]


def _session(row: Any) -> Session:
    values = {column: row[column] for column in COLUMNS}
    values["state"] = State(values["state"])
    if values["constraints"] is not None:
        values["constraints"] = Constraints.model_validate_json(values["constraints"])
    for name in ("staged", "file"):
        if values[name] is not None:
            values[name] = StoredObject.model_validate_json(values[name])
    return Session(**values)


def _columns(sessions: Sequence[Session]) -> list[list[object]]:
    """The parameters of INSERT and UPDATE: a list for each column, in the order of the upload ids."""
    ordered = sorted(sessions, key=lambda session: session.upload_id)
    return [[_value(getattr(session, column)) for session in ordered] for column in COLUMNS]


def _value(value: object) -> object:
    return value.model_dump_json() if isinstance(value, Constraints | StoredObject) else value

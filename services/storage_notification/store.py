"""All SQL of the storage notification service."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from libs.postgres.database import Connection
from services.storage_notification.domain.announcement import Expectation, Expected

_EXPECTED = "upload_id, tenant_id, key, traceparent, announced_etag, announced_at, announcements"

# A row of which only the end, or a hint, was heard is forgotten like one whose deadline was now.
EXPECT = """
    INSERT INTO expected_objects AS e (upload_id, tenant_id, key, deadline_at, traceparent, hinted, closed_at)
    SELECT upload_id, tenant_id, key, coalesce(deadline_at, now()), traceparent, hinted, CASE WHEN ended THEN now() END
    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::text[], $6::bool[], $7::bool[])
        AS x (upload_id, tenant_id, key, deadline_at, traceparent, hinted, ended)
    ON CONFLICT (upload_id) DO UPDATE
    SET key = coalesce(e.key, excluded.key),
        deadline_at = CASE WHEN e.key IS NULL AND excluded.key IS NOT NULL THEN excluded.deadline_at ELSE e.deadline_at END,
        traceparent = coalesce(e.traceparent, excluded.traceparent),
        hinted = e.hinted OR excluded.hinted,
        closed_at = coalesce(e.closed_at, excluded.closed_at)
    RETURNING CASE WHEN hinted AND closed_at IS NULL THEN key END AS hinted_key
"""

OPEN = f"SELECT {_EXPECTED} FROM expected_objects WHERE key = ANY($1) AND closed_at IS NULL"

CLOSED = "SELECT key FROM expected_objects WHERE key = ANY($1) AND closed_at IS NOT NULL"

KNOWN = "SELECT key, closed_at IS NOT NULL AS closed FROM expected_objects WHERE key = ANY($1)"

MARK_ANNOUNCED = f"""
    UPDATE expected_objects e
    SET announced_etag = x.etag,
        announced_at = now(),
        announcements = CASE WHEN e.announced_etag = x.etag THEN e.announcements + 1 ELSE 1 END
    FROM unnest($1::text[], $2::text[], $3::text[], $4::int[]) AS x (key, etag, seen_etag, seen_announcements)
    WHERE e.key = x.key AND e.closed_at IS NULL
        AND e.announced_etag IS NOT DISTINCT FROM x.seen_etag AND e.announcements = x.seen_announcements
    RETURNING {", ".join(f"e.{column}" for column in _EXPECTED.split(", "))}
"""

KEEP_NOTICES = """
    INSERT INTO notices (key, due_at) SELECT key, now() + $2::interval FROM unnest($1::text[]) AS key
    ON CONFLICT (key) DO UPDATE SET due_at = excluded.due_at
"""

CLAIM_NOTICES = """
    WITH due AS (
        SELECT n.key FROM notices n JOIN expected_objects e USING (key)
        WHERE n.due_at <= now() LIMIT $1 FOR UPDATE OF n SKIP LOCKED
    )
    UPDATE notices n SET due_at = now() + $2::interval FROM due WHERE n.key = due.key
    RETURNING n.key
"""

DROP_NOTICES = "DELETE FROM notices WHERE key = ANY($1)"

TAKE_LEASE = """
    INSERT INTO leases AS l (name, owner, expires_at) VALUES ($1, $2, now() + $3::interval)
    ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at
    WHERE l.owner = excluded.owner OR l.expires_at < now()
    RETURNING true
"""

RETURN_LEASE = "DELETE FROM leases WHERE name = $1 AND owner = $2"

PURGE_CLOSED = """
    DELETE FROM expected_objects WHERE upload_id IN (
        SELECT upload_id FROM expected_objects WHERE closed_at < now() - $2::interval LIMIT $1)
"""

PURGES = (
    """DELETE FROM expected_objects WHERE upload_id IN (
        SELECT upload_id FROM expected_objects
        WHERE closed_at IS NULL AND deadline_at < now() - interval '7 days' LIMIT $1)""",
    "DELETE FROM notices WHERE key IN (SELECT key FROM notices WHERE received_at < now() - interval '1 hour' LIMIT $1)",
)
"""What never ended within a week, and notices that nobody asked for."""

COUNTS = """
    SELECT (SELECT count(*) FROM expected_objects WHERE closed_at IS NULL) AS expected,
           (SELECT count(*) FROM notices) AS notices
"""


@dataclass(frozen=True)
class Announcement:
    """`etag` lies under the key of `expected`, which is how the row was when that was decided."""

    expected: Expected
    etag: str


class NotificationStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def expect(self, expectations: Sequence[Expectation]) -> list[str]:
        """Adds what is new, keeps what was known. Keys of open uploads among these whose object is said to be there."""
        ordered = sorted(expectations, key=lambda expectation: expectation.upload_id)
        columns = zip(*(astuple(expectation) for expectation in ordered), strict=True)
        return [row["hinted_key"] for row in await self._connection.fetch(EXPECT, *columns) if row["hinted_key"]]

    async def open(self, keys: Sequence[str]) -> dict[str, Expected]:
        """Those of `keys` that are awaited, by key."""
        rows = await self._connection.fetch(OPEN, list(keys))
        return {row["key"]: _expected(row) for row in rows}

    async def closed(self, keys: Sequence[str]) -> set[str]:
        """Those of `keys` whose upload has ended."""
        return {row["key"] for row in await self._connection.fetch(CLOSED, list(keys))}

    async def known(self, keys: Sequence[str]) -> dict[str, bool]:
        """Those of `keys` that were registered: key → whether the upload has ended."""
        return {row["key"]: row["closed"] for row in await self._connection.fetch(KNOWN, list(keys))}

    async def mark_announced(self, announcements: Sequence[Announcement]) -> list[Expected]:
        """Those that nobody else announced since they were read."""
        rows = await self._connection.fetch(
            MARK_ANNOUNCED,
            [a.expected.key for a in announcements],
            [a.etag for a in announcements],
            [a.expected.announced_etag for a in announcements],
            [a.expected.announcements for a in announcements],
        )
        return [_expected(row) for row in rows]

    async def keep_notices(self, keys: Sequence[str], delay: timedelta) -> None:
        await self._connection.execute(KEEP_NOTICES, list(keys), delay)

    async def claim_notices(self, limit: int, lease: timedelta) -> list[str]:
        """Keys that were noticed and belong to an upload that is known by now."""
        return [row["key"] for row in await self._connection.fetch(CLAIM_NOTICES, limit, lease)]

    async def drop_notices(self, keys: Sequence[str]) -> None:
        await self._connection.execute(DROP_NOTICES, list(keys))

    async def take_lease(self, name: str, owner: UUID, duration: timedelta) -> bool:
        """Takes it or renews it; False while somebody else has it."""
        return bool(await self._connection.fetchval(TAKE_LEASE, name, owner, duration))

    async def return_lease(self, name: str, owner: UUID) -> None:
        await self._connection.execute(RETURN_LEASE, name, owner)

    async def purge(self, limit: int, keep_closed: timedelta) -> int:
        """Rows that were deleted; at most `limit` of each kind."""
        done = [await self._connection.execute(PURGE_CLOSED, limit, keep_closed)]
        done += [await self._connection.execute(purge, limit) for purge in PURGES]
        return sum(int(status.split()[-1]) for status in done)

    async def counts(self) -> dict[str, int]:
        row = await self._connection.fetchrow(COUNTS)
        return dict(row) if row else {}


def _expected(row: Any) -> Expected:
    return Expected(**dict(row))

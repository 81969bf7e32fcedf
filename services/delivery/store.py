"""All SQL of delivery, one method per statement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from asyncpg import Record

from contracts.events import Callback
from contracts.ids import DeliveryId, TenantId
from libs.postgres.database import Connection
from services.delivery.domain.outcome import Outcome, Upload
from services.delivery.domain.slot import Queue
from services.delivery.domain.webhook import Attempt, Refusal, Step, Webhook

QUEUES = 500
"""Queues that one claim looks at; the next one goes on behind them."""
BECOME_READY = 1000
"""Waiting webhooks whose time has come that become ready at once."""
FIRST_QUEUE = Queue(TenantId(UUID(int=0)), "")
"""Before all others."""

DUE_QUEUES = """
    WITH RECURSIVE become_ready AS (
        UPDATE webhooks w
        SET ready = true,
            receiver = coalesce((SELECT e.receiver FROM endpoints e WHERE e.endpoint_id = w.endpoint_id), w.receiver)
        WHERE id = ANY (ARRAY(
            SELECT id FROM webhooks WHERE NOT ready AND next_attempt_at <= now()
            ORDER BY next_attempt_at LIMIT $4 FOR UPDATE SKIP LOCKED
        ))
        RETURNING w.tenant_id, w.receiver, w.format <> 'standard' OR w.endpoint_id IS NOT NULL AS has_secret
    ), queues AS (
        (SELECT tenant_id, receiver FROM webhooks
         WHERE ready AND next_attempt_at IS NOT NULL AND (tenant_id, receiver) > ($1, $2)
         ORDER BY tenant_id, receiver LIMIT 1)
        UNION ALL
        SELECT following.* FROM queues q CROSS JOIN LATERAL (
            SELECT tenant_id, receiver FROM webhooks
            WHERE ready AND next_attempt_at IS NOT NULL AND (tenant_id, receiver) > (q.tenant_id, q.receiver)
            ORDER BY tenant_id, receiver LIMIT 1
        ) following
    ), found AS (
        (SELECT tenant_id, receiver, true AS is_listed, false AS has_secret FROM queues LIMIT $3)
        UNION ALL
        SELECT tenant_id, receiver, false, bool_or(has_secret) FROM become_ready GROUP BY tenant_id, receiver
    )
    SELECT f.tenant_id, f.receiver, f.is_listed,
           f.has_secret OR EXISTS (SELECT FROM tenants t WHERE t.tenant_id = f.tenant_id)
           OR EXISTS (SELECT FROM webhooks w
                      WHERE w.ready AND w.next_attempt_at IS NOT NULL AND w.tenant_id = f.tenant_id AND w.receiver = f.receiver
                        AND (w.format <> 'standard' OR w.endpoint_id IS NOT NULL)) AS is_claimable
    FROM found f ORDER BY f.is_listed DESC, f.tenant_id, f.receiver
"""
"""Reads one index entry for each queue, however long the queues are. What has just become ready is not among `queues` yet.

A queue in which everything waits for the secret of its tenant cannot be claimed from.
"""

CLAIM = """
    WITH due AS (
        SELECT next.id FROM unnest($2::uuid[], $3::text[], $4::int[]) AS q (tenant_id, receiver, slots)
        CROSS JOIN LATERAL (
            SELECT w.id FROM webhooks w
            WHERE w.ready AND w.tenant_id = q.tenant_id AND w.receiver = q.receiver AND w.next_attempt_at <= now()
              AND (w.format <> 'standard' OR w.endpoint_id IS NOT NULL
                   OR EXISTS (SELECT FROM tenants t WHERE t.tenant_id = q.tenant_id))
            ORDER BY w.next_attempt_at LIMIT q.slots FOR UPDATE SKIP LOCKED
        ) next
    ), claimed AS (
        UPDATE webhooks w SET lease = $1, ready = false, next_attempt_at = now() + $5
        WHERE id = ANY (ARRAY(SELECT id FROM due))
        RETURNING w.*
    )
    SELECT c.id, c.upload_id, c.tenant_id, coalesce(e.url, c.url) AS url, c.receiver, c.body, c.traceparent, c.format,
           c.sealed_secret, c.endpoint_id, c.event, c.attempts, c.attempts_before, c.replays, e.generation,
           CASE WHEN e.endpoint_id IS NOT NULL THEN e.sealed_secrets
                ELSE array_remove(ARRAY[CASE WHEN c.format = 'standard' THEN t.sealed_secret ELSE c.sealed_secret END], NULL)
           END AS signing,
           CASE WHEN e.removed THEN 'endpoint_removed' WHEN NOT e.listening THEN 'endpoint_disabled' END AS refusal
    FROM claimed c LEFT JOIN tenants t USING (tenant_id) LEFT JOIN endpoints e USING (endpoint_id)
"""
"""The oldest webhooks of each queue, but for those that wait for the secret of their tenant."""


@dataclass(frozen=True)
class DueQueues:
    queues: Sequence[Queue]
    last: Queue | None
    """Behind which there may be more; None where there are not."""


@dataclass(frozen=True)
class Claimed:
    """A webhook that this process alone may send until its lease ends."""

    webhook: Webhook
    lease: UUID
    """Of this claim; a result under another lease is void."""
    encrypted_secrets: Sequence[str]
    """What it is signed with, the newest first; none: it is not."""
    generation: int | None = None
    """Of the endpoint that it goes to."""
    refusal: Refusal | None = None
    """Why it is not sent at all."""

    @property
    def queue(self) -> Queue:
        return Queue(self.webhook.tenant_id, self.webhook.receiver)

    @property
    def lease_of(self) -> tuple[DeliveryId, UUID]:
        return self.webhook.id, self.lease


@dataclass(frozen=True)
class Result:
    """An attempt that was made, with what it leads to."""

    claimed: Claimed
    attempt: Attempt
    step: Step

    @property
    def attempts(self) -> int:
        return self.claimed.webhook.attempts + 1


@dataclass(frozen=True)
class Recorded:
    """A result whose lease still held, as it was written."""

    result: Result
    next_attempt_at: datetime | None
    at: datetime


class DeliveryStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # ------------------------------------------------------------ what events say

    async def save_secret(self, tenant_id: TenantId, revision: int, encrypted: str) -> None:
        await self._connection.execute(
            """
            INSERT INTO tenants AS t (tenant_id, revision, sealed_secret) VALUES ($1, $2, $3)
            ON CONFLICT (tenant_id) DO UPDATE SET revision = excluded.revision, sealed_secret = excluded.sealed_secret
            WHERE t.revision < excluded.revision
            """,
            tenant_id, revision, encrypted,
        )  # fmt: skip

    async def upsert_uploads(self, uploads: Sequence[Upload]) -> list[Upload]:
        """Adds what is new and keeps what was known; answers those of which callback and end are known.

        The rows stay locked until the commit.
        """
        if not uploads:
            return []
        ordered = sorted(uploads, key=lambda upload: upload.upload_id)
        rows = await self._connection.fetch(
            """
            INSERT INTO uploads AS u (upload_id, tenant_id, callback, outcome, size_bytes, mime_type)
            SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::text[])
            ON CONFLICT (upload_id) DO UPDATE SET
                callback = coalesce(u.callback, excluded.callback), outcome = coalesce(u.outcome, excluded.outcome),
                size_bytes = coalesce(u.size_bytes, excluded.size_bytes),
                mime_type = coalesce(u.mime_type, excluded.mime_type), updated_at = now()
            RETURNING *
            """,
            [u.upload_id for u in ordered], [u.tenant_id for u in ordered],
            [u.callback.model_dump_json() if u.callback else None for u in ordered],
            [u.outcome.model_dump_json() if u.outcome else None for u in ordered],
            [u.size_bytes for u in ordered], [u.mime_type for u in ordered],
        )  # fmt: skip
        return [_upload(row) for row in rows if row["callback"] and row["outcome"]]

    async def add_webhooks(self, webhooks: Sequence[Webhook]) -> Mapping[DeliveryId, datetime]:
        """Those that were not there before, and since when they are due."""
        ordered = sorted(webhooks, key=lambda webhook: webhook.id)
        rows = await self._connection.fetch(
            """
            INSERT INTO webhooks (id, upload_id, tenant_id, url, receiver, body, traceparent, format, sealed_secret,
                                  endpoint_id, event)
            SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::bytea[], $7::text[],
                                 $8::text[], $9::text[], $10::uuid[], $11::text[])
            ON CONFLICT (id) DO NOTHING RETURNING id, next_attempt_at
            """,
            *zip(*(
                (w.id, w.upload_id, w.tenant_id, w.url, w.receiver, w.body, w.traceparent, w.format, w.sealed_secret,
                 w.endpoint_id, w.event)
                for w in ordered
            ), strict=True),
        )  # fmt: skip
        return {DeliveryId(row["id"]): row["next_attempt_at"] for row in rows}

    # ------------------------------------------------------------ sending

    async def due_queues(self, after: Queue) -> DueQueues:
        """The queues behind `after` that have due webhooks; and whose webhooks have become due just now, wherever they are."""
        rows = await self._connection.fetch(DUE_QUEUES, after.tenant_id, after.receiver, QUEUES, BECOME_READY)
        claimable = dict.fromkeys(_queue(row) for row in rows if row["is_claimable"])
        listed = [_queue(row) for row in rows if row["is_listed"]]
        return DueQueues(list(claimable), listed[-1] if len(listed) == QUEUES else None)

    async def claim(self, lease: UUID, slots: Mapping[Queue, int], lease_seconds: float) -> Sequence[Claimed]:
        """Of each queue the oldest due webhooks whose secret is known, at most so many.

        Another process sees them again only when the lease has ended.
        """
        rows = await self._connection.fetch(
            CLAIM,
            lease, [q.tenant_id for q in slots], [q.receiver for q in slots], list(slots.values()),
            timedelta(seconds=lease_seconds),
        )  # fmt: skip
        return [Claimed(_webhook(row), lease, row["signing"], row["generation"], row["refusal"]) for row in rows]

    async def seconds_until_due(self) -> float | None:
        """When the next waiting webhook becomes due; None where none waits."""
        seconds: float | None = await self._connection.fetchval(
            "SELECT extract(epoch FROM next_attempt_at - now())::float8 FROM webhooks"
            " WHERE NOT ready AND next_attempt_at IS NOT NULL ORDER BY next_attempt_at LIMIT 1"
        )
        return seconds

    async def record(self, results: Sequence[Result]) -> list[Recorded]:
        """Writes what the attempts led to, for those whose lease still holds; answers these."""
        rows = await self._connection.fetch(
            """
            UPDATE webhooks w
            SET status = r.status, attempts = r.attempts, next_attempt_at = now() + r.pause, ready = false, lease = NULL,
                ended_at = CASE WHEN r.pause IS NULL THEN now() END
            FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::int[], $5::interval[])
                AS r (id, lease, status, attempts, pause)
            WHERE w.id = r.id AND w.lease = r.lease
            RETURNING w.id, r.lease, w.next_attempt_at, now() AS at
            """,
            [r.claimed.webhook.id for r in results], [r.claimed.lease for r in results], [r.step.status for r in results],
            [r.attempts for r in results], [r.step.pause for r in results],
        )  # fmt: skip
        by_lease = {result.claimed.lease_of: result for result in results}
        return [Recorded(by_lease[row["id"], row["lease"]], row["next_attempt_at"], row["at"]) for row in rows]

    async def log_attempts(self, results: Sequence[Result]) -> None:
        await self._connection.execute(
            """
            INSERT INTO webhook_attempts
                (webhook_id, attempt, started_at, elapsed_ms, response_status, error, detail, excerpt)
            SELECT * FROM unnest($1::uuid[], $2::int[], $3::timestamptz[], $4::int[], $5::int[], $6::text[], $7::text[],
                                 $8::text[])
            """,
            *zip(*(
                (r.claimed.webhook.id, r.attempts, r.attempt.started_at, r.attempt.elapsed_ms, r.attempt.response_status,
                 r.attempt.error, r.attempt.detail, r.attempt.excerpt)
                for r in results
            ), strict=True),
        )  # fmt: skip

    async def release(self, claims: Sequence[Claimed]) -> None:
        """Makes due again what was claimed and not sent to its end."""
        await self._connection.execute(
            """
            UPDATE webhooks w SET lease = NULL, ready = true, next_attempt_at = now()
            FROM unnest($1::uuid[], $2::uuid[]) AS c (id, lease) WHERE w.id = c.id AND w.lease = c.lease
            """,
            [c.webhook.id for c in claims], [c.lease for c in claims],
        )  # fmt: skip

    # ------------------------------------------------------------ upkeep

    async def backlog(self) -> tuple[int, float]:
        """How many webhooks have not ended, and the age of the oldest of them in seconds."""
        row = await self._connection.fetchrow(
            """
            SELECT count(*) AS pending, coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS oldest
            FROM (SELECT created_at FROM webhooks WHERE ready AND next_attempt_at IS NOT NULL
                  UNION ALL
                  SELECT created_at FROM webhooks WHERE NOT ready AND next_attempt_at IS NOT NULL) AS open
            """
        )
        assert row is not None
        return row["pending"], row["oldest"]

    async def purge_webhooks(self, retention: timedelta, limit: int) -> int:
        status = await self._connection.execute(
            """
            DELETE FROM webhooks
            WHERE id = ANY (ARRAY(SELECT id FROM webhooks WHERE ended_at < now() - $1::interval LIMIT $2))
            """,
            retention, limit,
        )  # fmt: skip
        return int(status.split()[-1])

    async def purge_uploads(self, retention: timedelta, limit: int) -> int:
        """Those whose webhook is gone too: a repeated event must not make it anew."""
        status = await self._connection.execute(
            """
            DELETE FROM uploads WHERE upload_id = ANY (ARRAY(
                SELECT upload_id FROM uploads u
                WHERE updated_at < now() - $1::interval
                  AND NOT EXISTS (SELECT FROM webhooks w WHERE w.upload_id = u.upload_id) LIMIT $2))
            """,
            retention, limit,
        )  # fmt: skip
        return int(status.split()[-1])


def _queue(row: Record) -> Queue:
    return Queue(row["tenant_id"], row["receiver"])


def _upload(row: Record) -> Upload:
    return Upload(
        upload_id=row["upload_id"],
        tenant_id=row["tenant_id"],
        callback=Callback.model_validate_json(row["callback"]),
        outcome=Outcome.model_validate_json(row["outcome"]),
        size_bytes=row["size_bytes"],
        mime_type=row["mime_type"],
    )


def _webhook(row: Record) -> Webhook:
    return Webhook(
        id=row["id"],
        upload_id=row["upload_id"],
        tenant_id=row["tenant_id"],
        url=row["url"],
        receiver=row["receiver"],
        body=row["body"],
        traceparent=row["traceparent"],
        format=row["format"],
        sealed_secret=row["sealed_secret"],
        endpoint_id=row["endpoint_id"],
        event=row["event"],
        attempts=row["attempts"],
        attempts_before=row["attempts_before"],
        replays=row["replays"],
    )

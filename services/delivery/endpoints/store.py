"""SQL about webhook endpoints and what is sent to them once more."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from contracts.events import DeliveryChanged, WebhookEndpointConfigured
from contracts.ids import TenantId
from libs.postgres.database import Connection
from services.delivery.domain.endpoint import Endpoint, EndpointHealth

ENDPOINT = "endpoint_id, tenant_id, url, receiver, format, news, listens_since"

REPLAYED = """
    UPDATE webhooks w
    SET status = 'pending', replays = replays + 1, attempts_before = attempts, next_attempt_at = now(), ended_at = NULL,
        ready = true, receiver = coalesce((SELECT e.receiver FROM endpoints e WHERE e.endpoint_id = w.endpoint_id), w.receiver)
"""
RETURNED = """
    RETURNING w.id, w.upload_id, w.tenant_id, w.endpoint_id, w.event, w.receiver, w.attempts, w.replays,
              w.next_attempt_at AS due_at
"""


class EndpointStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def upsert(self, event: WebhookEndpointConfigured, receiver: str) -> None:
        """A removed one stays as a mark: an older configuration that comes later must not bring it back.

        What is due for it changes to the queue of its new receiver, what waits does so when it becomes due.
        """
        await self._connection.execute(
            """
            INSERT INTO endpoints AS e (endpoint_id, tenant_id, revision, generation, url, receiver, format, news,
                                        sealed_secrets, enabled, removed, listens_since)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
            ON CONFLICT (endpoint_id) DO UPDATE SET
                revision = excluded.revision, generation = excluded.generation, url = excluded.url,
                receiver = excluded.receiver, format = excluded.format, news = excluded.news,
                sealed_secrets = excluded.sealed_secrets, enabled = excluded.enabled, removed = excluded.removed,
                listens_since = excluded.listens_since,
                failing_since = CASE WHEN e.generation = excluded.generation THEN e.failing_since END
            WHERE e.revision < excluded.revision
            """,
            event.endpoint_id, event.tenant_id, event.revision, event.generation, event.url, receiver, event.format,
            list(event.news), list(event.secrets_encrypted), event.enabled, event.removed, event.listens_since,
        )  # fmt: skip
        await self._connection.execute(
            """
            UPDATE webhooks w SET receiver = e.receiver FROM endpoints e
            WHERE e.endpoint_id = $1 AND w.endpoint_id = e.endpoint_id AND w.receiver <> e.receiver
              AND w.tenant_id = $2 AND w.ready AND w.next_attempt_at IS NOT NULL
            """,
            event.endpoint_id, event.tenant_id,
        )  # fmt: skip

    async def find(self, endpoint_ids: Collection[UUID]) -> dict[UUID, Endpoint]:
        """Those that are known."""
        rows = await self._connection.fetch(
            f"SELECT {ENDPOINT} FROM endpoints WHERE endpoint_id = ANY ($1)", list(endpoint_ids)
        )
        return {row["endpoint_id"]: _endpoint(dict(row)) for row in rows}

    async def listening(self, tenant_ids: Collection[TenantId]) -> list[Endpoint]:
        """Those of these tenants that are told anything at all."""
        rows = await self._connection.fetch(
            f"SELECT {ENDPOINT} FROM endpoints WHERE tenant_id = ANY ($1) AND listening ORDER BY endpoint_id", list(tenant_ids)
        )
        return [_endpoint(dict(row)) for row in rows]

    # ------------------------------------------------------------ how they fare

    async def load_health(self, endpoint_ids: Sequence[UUID], failed: Sequence[UUID]) -> tuple[datetime, list[EndpointHealth]]:
        """Of those that listen, and either `failed` now or did before; locked until the commit, always in the same order.

        And what time it is, by the clock that says since when one fails.
        """
        rows = await self._connection.fetch(
            """
            SELECT endpoint_id, tenant_id, generation, failing_since, now() AS now FROM endpoints
            WHERE endpoint_id = ANY ($1) AND listening AND (endpoint_id = ANY ($2) OR failing_since IS NOT NULL)
            ORDER BY endpoint_id FOR UPDATE
            """,
            list(endpoint_ids), list(failed),
        )  # fmt: skip
        known = [EndpointHealth(row["endpoint_id"], row["tenant_id"], row["generation"], row["failing_since"]) for row in rows]
        return rows[0]["now"] if rows else datetime.now(UTC), known

    async def save_health(self, health: Sequence[EndpointHealth], disabled: Sequence[UUID]) -> None:
        await self._connection.execute(
            """
            UPDATE endpoints e
            SET failing_since = h.failing_since, given_up = CASE WHEN e.endpoint_id = ANY ($3) THEN generation ELSE given_up END
            FROM unnest($1::uuid[], $2::timestamptz[]) AS h (endpoint_id, failing_since) WHERE e.endpoint_id = h.endpoint_id
            """,
            [h.endpoint_id for h in health], [h.failing_since for h in health], list(disabled),
        )  # fmt: skip

    # ------------------------------------------------------------ once more

    async def replay_one(self, endpoint_id: UUID, delivery_id: UUID) -> list[DeliveryChanged]:
        """What has ended begins again; what waits for its next attempt no longer waits."""
        await self._connection.execute(
            "UPDATE webhooks SET next_attempt_at = now() WHERE id = $1 AND endpoint_id = $2 AND next_attempt_at > now()"
            " AND lease IS NULL",
            delivery_id, endpoint_id,
        )  # fmt: skip
        rows = await self._connection.fetch(
            f"{REPLAYED} WHERE id = $1 AND endpoint_id = $2 AND next_attempt_at IS NULL {RETURNED}", delivery_id, endpoint_id
        )
        return [_replayed(dict(row)) for row in rows]

    async def add_replay(self, replay_id: UUID, endpoint_id: UUID, since: datetime) -> None:
        await self._connection.execute(
            "INSERT INTO webhook_replays (replay_id, endpoint_id, since) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            replay_id, endpoint_id, since,
        )  # fmt: skip

    async def replay_some(self, limit: int) -> tuple[bool, list[DeliveryChanged]]:
        """A batch of the oldest replay that nobody else works on; False where there is none."""
        replay = await self._connection.fetchrow(
            "SELECT * FROM webhook_replays ORDER BY asked_at, replay_id LIMIT 1 FOR UPDATE SKIP LOCKED"
        )
        if replay is None:
            return False, []
        rows = await self._connection.fetch(
            f"""
            {REPLAYED} WHERE id = ANY (ARRAY(
                SELECT id FROM webhooks
                WHERE endpoint_id = $1 AND status = 'failed' AND ended_at >= $2 AND ended_at <= $3
                ORDER BY ended_at LIMIT $4 FOR UPDATE SKIP LOCKED
            )) {RETURNED}
            """,
            replay["endpoint_id"], replay["since"], replay["asked_at"], limit,
        )  # fmt: skip
        if len(rows) < limit:
            await self._connection.execute("DELETE FROM webhook_replays WHERE replay_id = $1", replay["replay_id"])
        return True, [_replayed(dict(row)) for row in rows]


def _endpoint(row: dict[str, Any]) -> Endpoint:
    return Endpoint(
        row["endpoint_id"], row["tenant_id"], row["url"], row["receiver"], row["format"], frozenset(row["news"]),
        row["listens_since"],
    )  # fmt: skip


def _replayed(row: dict[str, Any]) -> DeliveryChanged:
    return DeliveryChanged(
        delivery_id=row["id"], upload_id=row["upload_id"], tenant_id=row["tenant_id"], endpoint_id=row["endpoint_id"],
        event=row["event"], target=row["receiver"], status="pending", attempts=row["attempts"], replays=row["replays"],
        next_attempt_at=row["due_at"], changed_at=row["due_at"],
    )  # fmt: skip

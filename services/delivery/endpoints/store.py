"""SQL about webhook endpoints and what is sent to them once more."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from contracts.events import DeliveryChanged, WebhookEndpointConfigured
from contracts.ids import TenantId
from libs.postgres.database import Connection
from services.delivery.domain.endpoint import Endpoint, Standing

ENDPOINT = "endpoint_id, tenant_id, url, receiver, format, news, listens_since"

REPLAYED = """
    UPDATE webhooks w
    SET status = 'pending', replays = replays + 1, attempts_before = attempts, next_attempt_at = now(), ended_at = NULL
"""
RETURNED = "RETURNING w.id, w.upload_id, w.tenant_id, w.endpoint_id, w.event, w.receiver, w.attempts, w.replays"


class EndpointStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def keep(self, event: WebhookEndpointConfigured, receiver: str) -> None:
        """A removed one stays as a mark: an older configuration that comes later must not bring it back."""
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

    async def find(self, endpoint_id: UUID) -> Endpoint | None:
        row = await self._connection.fetchrow(f"SELECT {ENDPOINT} FROM endpoints WHERE endpoint_id = $1", endpoint_id)
        return _endpoint(dict(row)) if row else None

    async def listening(self, tenant_ids: Collection[TenantId]) -> list[Endpoint]:
        """Those of these tenants that are told anything at all."""
        rows = await self._connection.fetch(
            f"SELECT {ENDPOINT} FROM endpoints WHERE tenant_id = ANY ($1) AND listening ORDER BY endpoint_id", list(tenant_ids)
        )
        return [_endpoint(dict(row)) for row in rows]

    # ------------------------------------------------------------ how they fare

    async def standings(self, endpoint_ids: Sequence[UUID], failed: Sequence[UUID]) -> list[Standing]:
        """Of those that listen, and either `failed` now or did before; locked until the commit, always in the same order."""
        rows = await self._connection.fetch(
            """
            SELECT endpoint_id, tenant_id, generation, failing_since FROM endpoints
            WHERE endpoint_id = ANY ($1) AND listening AND (endpoint_id = ANY ($2) OR failing_since IS NOT NULL)
            ORDER BY endpoint_id FOR UPDATE
            """,
            list(endpoint_ids), list(failed),
        )  # fmt: skip
        return [Standing(row["endpoint_id"], row["tenant_id"], row["generation"], row["failing_since"]) for row in rows]

    async def keep_standing(self, standing: Standing, *, given_up: bool) -> None:
        await self._connection.execute(
            """
            UPDATE endpoints SET failing_since = $2, given_up = CASE WHEN $3 THEN generation ELSE given_up END
            WHERE endpoint_id = $1
            """,
            standing.endpoint_id, standing.failing_since, given_up,
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
    now = datetime.now(UTC)
    return DeliveryChanged(
        delivery_id=row["id"], upload_id=row["upload_id"], tenant_id=row["tenant_id"], endpoint_id=row["endpoint_id"],
        event=row["event"], target=row["receiver"], status="pending", attempts=row["attempts"], replays=row["replays"],
        next_attempt_at=now, changed_at=now,
    )  # fmt: skip

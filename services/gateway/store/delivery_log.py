"""The log of what was delivered to webhook endpoints; the projection writes it."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from contracts.events import DeliveryChanged
from libs.postgres.database import Connection
from services.gateway.domain.delivery_log import LoggedAttempt, LoggedDelivery

SHOWN_ATTEMPTS = 20


class DeliveryLogStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add_attempts(self, events: Sequence[DeliveryChanged]) -> None:
        """The deliveries themselves are there already."""
        rows = sorted(
            {
                (event.delivery_id, event.attempts): (
                    event.delivery_id, event.attempts, event.response_status, event.error, event.elapsed_ms,
                    event.response_excerpt, event.changed_at,
                )
                for event in events
            }.items()
        )  # fmt: skip
        if rows:
            await self._connection.execute(
                """
                INSERT INTO delivery_attempts
                    (delivery_id, attempt, response_status, error, elapsed_ms, response_excerpt, ended_at)
                SELECT * FROM unnest($1::uuid[], $2::int[], $3::int[], $4::text[], $5::int[], $6::text[], $7::timestamptz[])
                ON CONFLICT DO NOTHING
                """,
                *zip(*(row for _, row in rows), strict=True),
            )

    async def newest(
        self, endpoint_id: UUID, *, status: str | None, before: tuple[datetime, UUID] | None, limit: int
    ) -> list[LoggedDelivery]:
        created_at, delivery_id = before or (None, None)
        rows = await self._connection.fetch(
            """
            SELECT delivery_id AS id, event, upload_id, status, replays, next_attempt_at, created_at, changed_at FROM deliveries
            WHERE endpoint_id = $1 AND ($2::timestamptz IS NULL OR (created_at, delivery_id) < ($2, $3::uuid))
              AND ($4::text IS NULL OR status = $4)
            ORDER BY created_at DESC, delivery_id DESC LIMIT $5
            """,
            endpoint_id,
            created_at,
            delivery_id,
            status,
            limit,
        )
        attempts = await self._attempts([row["id"] for row in rows])
        return [LoggedDelivery(**dict(row), attempts=tuple(attempts[row["id"]])) for row in rows]

    async def is_logged(self, endpoint_id: UUID, delivery_id: UUID) -> bool:
        found: bool = await self._connection.fetchval(
            "SELECT EXISTS (SELECT FROM deliveries WHERE delivery_id = $1 AND endpoint_id = $2)", delivery_id, endpoint_id
        )
        return found

    async def purge(self, age: timedelta, limit: int) -> int:
        """Deletes what ended so long ago, at most `limit`; answers how many."""
        status = await self._connection.execute(
            """
            DELETE FROM deliveries WHERE delivery_id = ANY (ARRAY(
                SELECT delivery_id FROM deliveries
                WHERE endpoint_id IS NOT NULL AND status IN ('delivered', 'failed') AND changed_at < now() - $1::interval
                LIMIT $2))
            """,
            age,
            limit,
        )
        return int(status.split()[-1])

    async def _attempts(self, delivery_ids: Sequence[UUID]) -> dict[UUID, list[LoggedAttempt]]:
        rows = await self._connection.fetch(
            """
            SELECT a.* FROM unnest($1::uuid[]) AS d (delivery_id) CROSS JOIN LATERAL (
                SELECT * FROM delivery_attempts WHERE delivery_id = d.delivery_id ORDER BY attempt DESC LIMIT $2
            ) a
            """,
            list(delivery_ids),
            SHOWN_ATTEMPTS,
        )
        attempts: dict[UUID, list[LoggedAttempt]] = defaultdict(list)
        for row in sorted(rows, key=lambda row: -row["attempt"]):
            attempts[row["delivery_id"]].append(_attempt(row))
        return attempts


def _attempt(row: asyncpg.Record) -> LoggedAttempt:
    values: dict[str, Any] = {name: value for name, value in row.items() if name != "delivery_id"}
    return LoggedAttempt(**values)

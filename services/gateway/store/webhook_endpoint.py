"""The webhook endpoints of tenants."""

from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from contracts.ids import TenantId
from libs.postgres.database import Connection
from services.gateway.domain.webhook_endpoint import WebhookEndpoint

COLUMNS = """
    id, tenant_id, revision, generation, url, description, format, events, secret_sealed, old_secret_sealed, enabled,
    disabled_reason, disabled_at, listens_since, created_at, updated_at
"""


class WebhookEndpointStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def newest(self, tenant_id: TenantId, *, before: tuple[datetime, UUID] | None, limit: int) -> list[WebhookEndpoint]:
        created_at, endpoint_id = before or (None, None)
        rows = await self._connection.fetch(
            f"""
            SELECT {COLUMNS} FROM webhook_endpoints
            WHERE tenant_id = $1 AND ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3::uuid))
            ORDER BY created_at DESC, id DESC LIMIT $4
            """,
            tenant_id,
            created_at,
            endpoint_id,
            limit,
        )
        return [_endpoint(row) for row in rows]

    async def find(self, tenant_id: TenantId, endpoint_id: UUID, *, lock: bool = False) -> WebhookEndpoint | None:
        row = await self._connection.fetchrow(
            f"SELECT {COLUMNS} FROM webhook_endpoints WHERE tenant_id = $1 AND id = $2 {'FOR UPDATE' if lock else ''}",
            tenant_id,
            endpoint_id,
        )
        return _endpoint(row) if row else None

    async def count_alone(self, tenant_id: TenantId) -> int:
        """How many the tenant has; until the commit nobody else counts them to add one."""
        await self._connection.execute("SELECT FROM tenants WHERE id = $1 FOR NO KEY UPDATE", tenant_id)
        count: int = await self._connection.fetchval("SELECT count(*) FROM webhook_endpoints WHERE tenant_id = $1", tenant_id)
        return count

    async def insert(self, endpoint: WebhookEndpoint) -> None:
        await self._connection.execute(
            f"""
            INSERT INTO webhook_endpoints ({COLUMNS})
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
            """,
            *_values(endpoint),
        )

    async def update(self, endpoint: WebhookEndpoint) -> None:
        await self._connection.execute(
            """
            UPDATE webhook_endpoints
            SET revision = $3, generation = $4, url = $5, description = $6, format = $7, events = $8, secret_sealed = $9,
                old_secret_sealed = $10, enabled = $11, disabled_reason = $12, disabled_at = $13, listens_since = $14,
                created_at = $15, updated_at = $16
            WHERE id = $1 AND tenant_id = $2
            """,
            *_values(endpoint),
        )

    async def delete(self, endpoint_id: UUID) -> None:
        await self._connection.execute("DELETE FROM webhook_endpoints WHERE id = $1", endpoint_id)


def _values(endpoint: WebhookEndpoint) -> tuple[Any, ...]:
    return (
        endpoint.id, endpoint.tenant_id, endpoint.revision, endpoint.generation, endpoint.url, endpoint.description,
        endpoint.format, list(endpoint.events), endpoint.secret_sealed, endpoint.old_secret_sealed, endpoint.enabled,
        endpoint.disabled_reason, endpoint.disabled_at, endpoint.listens_since, endpoint.created_at, endpoint.updated_at,
    )  # fmt: skip


def _endpoint(row: asyncpg.Record) -> WebhookEndpoint:
    values: dict[str, Any] = dict(row)
    return WebhookEndpoint(**{**values, "events": tuple(values["events"])})

"""Accounts and the units of their quotas.

A unit is charged when a publication is asked for and stays charged unless it is released. Who reserves holds the account's row
until the commit, so a quota is kept exactly; who releases only appends.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import orjson

from contracts.ids import TenantId
from libs.postgres.database import Connection
from services.gateway.domain.account import Account, AccountId
from services.gateway.domain.quota import Quotas

COLUMNS = """
    a.id, a.tenant_id, a.kind, a.name, a.settings_sealed, a.settings_shown, a.quota_limit, a.revision, a.created_at,
    a.updated_at, a.unlinked_at, reserved.units AS quota_reserved,
    a.quota_charged - released.units - reserved.units AS quota_used
"""
TABLES = """
    accounts a
    CROSS JOIN LATERAL (
        SELECT count(*)::int AS units FROM publications WHERE account_id = a.id AND quota = 'reserved') reserved
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(released), 0)::int AS units FROM quota_changes WHERE account_id = a.id) released
"""


class AccountStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def insert(self, account: Account) -> None:
        await self._connection.execute(
            """
            INSERT INTO accounts (id, tenant_id, kind, name, settings_sealed, settings_shown, quota_limit, revision, created_at,
                                  updated_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            """,
            account.id,
            account.tenant_id,
            account.kind,
            account.name,
            account.settings_sealed,
            orjson.dumps(account.settings_shown).decode(),
            account.quota_limit,
            account.revision,
            account.created_at,
            account.updated_at,
        )

    async def update(self, account: Account) -> None:
        """Everything but its tenant, its kind and its beginning."""
        await self._connection.execute(
            """
            UPDATE accounts SET name = $2, settings_sealed = $3, settings_shown = $4, quota_limit = $5, revision = $6,
                updated_at = $7, unlinked_at = $8
            WHERE id = $1
            """,
            account.id,
            account.name,
            account.settings_sealed,
            orjson.dumps(account.settings_shown).decode(),
            account.quota_limit,
            account.revision,
            account.updated_at,
            account.unlinked_at,
        )

    async def find(self, tenant_id: TenantId, account_id: AccountId, *, lock: bool = False) -> Account | None:
        """A linked account of the tenant."""
        row = await self._connection.fetchrow(
            f"SELECT {COLUMNS} FROM {TABLES} WHERE a.id = $1 AND a.tenant_id = $2 AND a.unlinked_at IS NULL"
            + (" FOR UPDATE OF a" if lock else ""),
            account_id,
            tenant_id,
        )
        return _account(row) if row else None

    async def newest(self, tenant_id: TenantId, *, before: tuple[datetime, UUID] | None, limit: int) -> list[Account]:
        """Linked accounts of the tenant, newest first, those before (created_at, id)."""
        created_at, account_id = before or (None, None)
        rows = await self._connection.fetch(
            f"""
            SELECT {COLUMNS} FROM {TABLES}
            WHERE a.tenant_id = $1 AND a.unlinked_at IS NULL
              AND ($2::timestamptz IS NULL OR (a.created_at, a.id) < ($2, $3::uuid))
            ORDER BY a.created_at DESC, a.id DESC LIMIT $4
            """,
            tenant_id,
            created_at,
            account_id,
            limit,
        )
        return [_account(row) for row in rows]

    async def first(self, tenant_id: TenantId, limit: int) -> list[AccountId]:
        """The oldest linked ones."""
        rows = await self._connection.fetch(
            "SELECT id FROM accounts WHERE tenant_id = $1 AND unlinked_at IS NULL ORDER BY created_at, id LIMIT $2",
            tenant_id,
            limit,
        )
        return [row["id"] for row in rows]

    async def had_any(self, tenant_id: TenantId) -> bool:
        """Also one that is unlinked by now."""
        found: bool = await self._connection.fetchval("SELECT EXISTS (SELECT FROM accounts WHERE tenant_id = $1)", tenant_id)
        return found

    async def lock_quotas(self, accounts: Collection[tuple[TenantId, AccountId]]) -> Quotas:
        """Of those that are linked; true until the commit."""
        rows = await self._connection.fetch(
            """
            SELECT tenant_id, id, quota_limit - quota_charged AS left,
                   EXISTS (SELECT FROM quota_changes WHERE account_id = a.id) AS is_changed
            FROM accounts a
            WHERE (tenant_id, id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[])) AND unlinked_at IS NULL
            ORDER BY id FOR UPDATE OF a
            """,
            [tenant_id for tenant_id, _ in accounts],
            [account_id for _, account_id in accounts],
        )
        if any(row["is_changed"] for row in rows):
            account_ids = [row["id"] for row in rows]
            await self._fold(account_ids)
            rows = await self._connection.fetch(
                "SELECT tenant_id, id, quota_limit - quota_charged AS left FROM accounts WHERE id = ANY ($1::uuid[])",
                account_ids,
            )
        return Quotas({(row["tenant_id"], row["id"]): row["left"] for row in rows})

    async def _fold(self, account_ids: Sequence[AccountId]) -> None:
        await self._connection.execute(
            """
            WITH folded AS (DELETE FROM quota_changes WHERE account_id = ANY ($1::uuid[]) RETURNING account_id, released),
                 sums AS (SELECT account_id, sum(released) AS units FROM folded GROUP BY account_id)
            UPDATE accounts SET quota_charged = quota_charged - units FROM sums WHERE accounts.id = sums.account_id
            """,
            account_ids,
        )

    async def charge(self, units: Mapping[AccountId, int]) -> None:
        await self._connection.execute(
            """
            UPDATE accounts SET quota_charged = quota_charged + charged.units
            FROM unnest($1::uuid[], $2::int[]) AS charged (id, units) WHERE accounts.id = charged.id
            """,
            list(units),
            list(units.values()),
        )

    async def release(self, units: Mapping[AccountId, int]) -> None:
        await self._connection.execute(
            "INSERT INTO quota_changes (account_id, released) SELECT * FROM unnest($1::uuid[], $2::int[])",
            list(units),
            list(units.values()),
        )


def _account(row: asyncpg.Record) -> Account:
    return Account(**{**row, "settings_shown": orjson.loads(row["settings_shown"])})

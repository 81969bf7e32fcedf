"""Tokens of operators, who manage projects."""

from libs.postgres.database import Connection


class OperatorStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def insert_token(self, token_hash: bytes, name: str) -> None:
        await self._connection.execute("INSERT INTO operator_tokens (token_hash, name) VALUES ($1, $2)", token_hash, name)

    async def is_token(self, token_hash: bytes) -> bool:
        return bool(
            await self._connection.fetchval(
                "SELECT true FROM operator_tokens WHERE token_hash = $1 AND revoked_at IS NULL", token_hash
            )
        )

    async def has_tokens(self) -> bool:
        return bool(await self._connection.fetchval("SELECT EXISTS (SELECT FROM operator_tokens WHERE revoked_at IS NULL)"))

    async def revoke_tokens(self, name: str) -> int:
        """How many of that name were valid until now."""
        revoked = await self._connection.fetch(
            "UPDATE operator_tokens SET revoked_at = now() WHERE name = $1 AND revoked_at IS NULL RETURNING 1", name
        )
        return len(revoked)

"""How often access tokens were used that allow only so many uploads."""

from datetime import datetime

from libs.postgres.database import Connection

# Expired ones are forgotten on the way, a few at a time: nobody accepts them any more.
USE = """
    WITH expired AS (
        DELETE FROM access_tokens WHERE token_hash IN (
            SELECT token_hash FROM access_tokens WHERE expires_at < now() - interval '1 day' LIMIT 10 FOR UPDATE SKIP LOCKED
        )
    )
    INSERT INTO access_tokens AS known (token_hash, uses, expires_at) SELECT $1::bytea, $2::integer, $4 WHERE $2 <= $3::integer
    ON CONFLICT (token_hash) DO UPDATE SET uses = known.uses + excluded.uses WHERE known.uses + excluded.uses <= $3
    RETURNING true
"""


class AccessTokenStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def use(self, token_hash: bytes, times: int, *, limit: int, expires_at: datetime) -> bool:
        """False: that would be more often than `limit`, and nothing is counted."""
        return bool(await self._connection.fetchval(USE, token_hash, times, limit, expires_at))

"""A service's own corner of the database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"

TRANSIENT_ERRORS: tuple[type[Exception], ...] = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
)
"""Worth another try with the same ids: the outcome is unknown or nothing happened (seen when the server is killed)."""


class Database:
    """A pool of connections that act as the service's role (`longshore_<service>`) in the service's schema.

    Connections keep no session state, so returning one costs no round trip.
    """

    def __init__(self, dsn: str, service: str, *, max_connections: int = 8) -> None:
        self.service = service
        self._dsn = dsn
        self._max_connections = max_connections
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

    async def open(self) -> None:
        self._pool = await asyncpg.create_pool(
            self._dsn,
            min_size=1,
            max_size=self._max_connections,
            command_timeout=30,
            timeout=10,
            reset=_keep,
            server_settings={
                "role": f"longshore_{self.service}",
                "search_path": self.service,
                "application_name": f"longshore-{self.service}",
                "statement_timeout": "30s",
                "lock_timeout": "10s",
                "idle_in_transaction_session_timeout": "60s",
            },
        )

    async def close(self) -> None:
        if self._pool is not None:
            try:
                async with asyncio.timeout(5):
                    await self._pool.close()
            except TimeoutError:
                self._pool.terminate()
            self._pool = None

    @property
    def pool(self) -> "asyncpg.Pool[asyncpg.Record]":
        if self._pool is None:
            raise RuntimeError(f"the database of {self.service} is not open")
        return self._pool

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection outside any transaction: each statement is its own."""
        async with self.pool.acquire() as connection:
            yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        async with self.pool.acquire() as connection, connection.transaction():
            yield connection

    async def check(self) -> None:
        """Raises when the database does not answer; for `/readyz`."""
        async with asyncio.timeout(2), self.connection() as connection:
            await connection.execute("SELECT 1")


async def _keep(_connection: Any) -> None:
    """Pool reset that does nothing: no service keeps state in a session."""

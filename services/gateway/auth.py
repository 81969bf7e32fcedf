"""API keys, private tokens: whom one stands for, and what that one may do. Operators' tokens: who manages the installation."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from secrets import token_urlsafe
from time import monotonic
from typing import Final

from contracts.ids import TenantId
from libs.postgres.database import Connection, Database
from services.gateway.domain.error import UnknownKeyError
from services.gateway.domain.role import Permission, Role, require
from services.gateway.store import OperatorStore, TenantStore
from services.gateway.store.tenant import KeyHolder

HEADER: Final = "X-API-Key"
MAX_KEY_LENGTH: Final = 256
MAX_CACHED: Final = 10_000
LOOKUP_SECONDS: Final = 5


@dataclass(frozen=True)
class Principal:
    """On whose behalf a request acts."""

    tenant_id: TenantId
    org: str
    client_id: str
    role: Role
    storage_blocked_at: datetime | None


def new_api_key() -> str:
    return f"lsk_{token_urlsafe(32)}"


def key_hash(api_key: str) -> bytes:
    """What is stored of a key: 256 random bits need no slow hash."""
    return sha256(api_key.encode("utf-8", "surrogateescape")).digest()


def new_private_token() -> str:
    return f"lsp_{token_urlsafe(32)}"


Find = Callable[[Connection, bytes], Awaitable[KeyHolder | None]]
"""Whom the key of this hash stands for."""


async def find_by_key(connection: Connection, hashed: bytes) -> KeyHolder | None:
    return await TenantStore(connection).holder_of_key(hashed)


class Authenticator:
    """Looks keys of one kind up by their hash and remembers the answer for a few seconds."""

    def __init__(self, database: Database, *, cache_seconds: float, find: Find = find_by_key) -> None:
        self._find = find
        self._database = database
        self._cache_seconds = cache_seconds
        self._known: dict[bytes, tuple[float, Principal]] = {}

    async def principal(self, headers: Mapping[str, str], permission: Permission) -> Principal:
        """Raises UnknownKeyError or InsufficientRoleError; TimeoutError when the database does not answer."""
        principal = await self.holder(headers.get(HEADER, ""))
        require(principal.role, permission)
        return principal

    async def holder(self, api_key: str) -> Principal:
        """Raises UnknownKeyError; TimeoutError when the database does not answer."""
        if not 0 < len(api_key) <= MAX_KEY_LENGTH:
            raise UnknownKeyError
        hashed = key_hash(api_key)
        until, principal = self._known.get(hashed, (0.0, None))
        if principal is not None and monotonic() < until:
            return principal
        async with asyncio.timeout(LOOKUP_SECONDS), self._database.connection() as connection:
            holder = await self._find(connection, hashed)
        if holder is None:
            self._known.pop(hashed, None)
            raise UnknownKeyError
        principal = Principal(
            holder.tenant_id, holder.org, holder.client_id, Role[holder.role.upper()], holder.storage_blocked_at
        )
        if len(self._known) >= MAX_CACHED:
            self._known.clear()
        self._known[hashed] = (monotonic() + self._cache_seconds, principal)
        return principal


def new_operator_token() -> str:
    return f"lso_{token_urlsafe(32)}"


class Operators:
    """`Authorization: Bearer <admin token>`; looked up each time, since it is rare."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def require(self, headers: Mapping[str, str]) -> None:
        """Raises UnknownKeyError; TimeoutError when the database does not answer."""
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not 0 < len(token) <= MAX_KEY_LENGTH:
            raise UnknownKeyError
        async with asyncio.timeout(LOOKUP_SECONDS), self._database.connection() as connection:
            if not await OperatorStore(connection).is_token(key_hash(token)):
                raise UnknownKeyError

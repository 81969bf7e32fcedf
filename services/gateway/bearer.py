"""`Authorization: Bearer <JWT>`: tokens of the tenants' dashboards, which are also MediaLab's OAuth2 access tokens.

Claims: `iss` and `aud` as configured, `exp`, `sub` (who), `tenant` (its id), `role` (as of API keys) and `scope` (words
joined by spaces: what for; without it `dashboard`). HS256 with the configured secrets; RS256 and ES256 with the keys of the
configured key set.
https://datatracker.ietf.org/doc/html/rfc7519
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, Final
from uuid import UUID, uuid4

import jwt

from contracts.ids import TenantId
from libs.postgres.database import Database
from libs.runtime.secret import SecretBox
from services.gateway.auth import LOOKUP_SECONDS, MAX_CACHED, Principal
from services.gateway.domain.error import InsufficientScopeError, UnknownTokenError
from services.gateway.domain.role import Permission, Role, Scope, require
from services.gateway.json_web_keys import JsonWebKeys
from services.gateway.store import TenantStore

MAX_TOKEN_LENGTH: Final = 8192
LEEWAY: Final = timedelta(seconds=10)
"""Clocks differ."""
REQUIRED: Final = ("iss", "aud", "exp", "sub", "tenant", "role")
SYMMETRIC: Final = "HS256"
KEY_SET: Final = frozenset({"RS256", "ES256"})
PURPOSE: Final = "longshore.gateway.bearer"

Key = jwt.PyJWK | str | bytes


@dataclass(frozen=True)
class Bearer:
    """Who holds a valid token."""

    principal: Principal
    subject: str
    scopes: frozenset[str]


@dataclass(frozen=True)
class Claims:
    subject: str
    tenant_id: TenantId
    role: Role
    scopes: frozenset[str]


@dataclass(frozen=True)
class TokenRules:
    """What makes a token valid here."""

    issuer: str
    audience: str
    secrets: Sequence[str | bytes]
    """Of HS256: the first signs, all verify; empty: such tokens are refused."""
    jwks_url: str | None = None
    """Where the public keys of RS256 and ES256 are; None: such tokens are refused."""


def default_secrets(secrets_box: SecretBox) -> tuple[bytes, ...]:
    """For installations that have no other issuer than themselves."""
    return secrets_box.derived(PURPOSE)


class Bearers:
    """Judges tokens, and looks their tenants up as `Authenticator` does with keys."""

    def __init__(self, database: Database, rules: TokenRules, *, cache_seconds: float) -> None:
        self._database = database
        self._rules = rules
        self._keys = JsonWebKeys(rules.jwks_url) if rules.jwks_url else None
        self._cache_seconds = cache_seconds
        self._tenants: dict[TenantId, tuple[float, Principal]] = {}

    async def bearer(self, headers: Mapping[str, str], permission: Permission, *scopes: Scope) -> Bearer:
        """Of the `Authorization` header, for any of `scopes`.

        Raises UnknownTokenError, InsufficientScopeError or InsufficientRoleError; OSError or TimeoutError when keys or
        database are not to be had.
        """
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise UnknownTokenError
        return await self.holder(token.strip(), permission, *scopes)

    async def holder(self, token: str, permission: Permission, *scopes: Scope) -> Bearer:
        """Of a token that came in another way. Raises as `bearer`."""
        claims = await self._claims(token)
        principal = await self._principal(claims)
        if claims.scopes.isdisjoint(scopes):
            raise InsufficientScopeError
        require(principal.role, permission)
        return Bearer(principal, claims.subject, claims.scopes)

    async def is_valid(self, token: str, tenant_id: TenantId, *scopes: Scope) -> bool:
        """Whether it stands for this tenant now, for all of `scopes`."""
        try:
            claims = await self._claims(token)
        except UnknownTokenError:
            return False
        return claims.tenant_id == tenant_id and claims.scopes.issuperset(scopes)

    @property
    def issues(self) -> bool:
        """Whether tokens can be made here."""
        return bool(self._rules.secrets)

    def issue(self, *, subject: str, tenant_id: TenantId, role: Role, scope: str, now: datetime, lives: timedelta) -> str:
        """A token of ours. Raises UnknownTokenError where there is no secret to make it with."""
        if not self.issues:
            raise UnknownTokenError
        claims = {
            "iss": self._rules.issuer, "aud": self._rules.audience, "iat": now, "exp": now + lives, "jti": uuid4().hex,
            "sub": subject, "tenant": str(tenant_id), "role": role.name.lower(), "scope": scope,
        }  # fmt: skip
        return jwt.encode(claims, self._rules.secrets[0], algorithm=SYMMETRIC)

    async def _claims(self, token: str) -> Claims:
        if not 0 < len(token) <= MAX_TOKEN_LENGTH or not token.isascii():
            raise UnknownTokenError
        try:
            header = jwt.get_unverified_header(token)
            algorithm = str(header.get("alg"))
            for key in await self._fitting(header, algorithm):
                with suppress(jwt.InvalidSignatureError):
                    return _read(self._decoded(token, key, algorithm))
        except (jwt.PyJWTError, ValueError, KeyError, TypeError, AttributeError):
            raise UnknownTokenError from None
        raise UnknownTokenError

    def _decoded(self, token: str, key: Key, algorithm: str) -> Mapping[str, Any]:
        """Raises `jwt.PyJWTError`."""
        claims: Mapping[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            issuer=self._rules.issuer,
            audience=self._rules.audience,
            leeway=LEEWAY,
            options={"require": list(REQUIRED)},
        )
        return claims

    async def _fitting(self, header: Mapping[str, Any], algorithm: str) -> Sequence[Key]:
        """Those that a token of this algorithm may be signed with: never a public key as if it were a secret."""
        if algorithm == SYMMETRIC:
            return self._rules.secrets
        if algorithm in KEY_SET and self._keys is not None:
            key_id = header.get("kid")
            found = await self._keys.find(str(key_id) if key_id is not None else None, algorithm)
            return [found] if found is not None else []
        return []

    async def _principal(self, claims: Claims) -> Principal:
        until, known = self._tenants.get(claims.tenant_id, (0.0, None))
        if known is None or monotonic() >= until:
            known = await self._look_up(claims.tenant_id)
            if len(self._tenants) >= MAX_CACHED:
                self._tenants.clear()
            self._tenants[claims.tenant_id] = (monotonic() + self._cache_seconds, known)
        return Principal(known.tenant_id, known.org, known.client_id, claims.role, known.storage_blocked_at)

    async def _look_up(self, tenant_id: TenantId) -> Principal:
        async with asyncio.timeout(LOOKUP_SECONDS), self._database.connection() as connection:
            tenant = await TenantStore(connection).find(tenant_id)
        if tenant is None:
            self._tenants.pop(tenant_id, None)
            raise UnknownTokenError
        return Principal(tenant.id, tenant.org, tenant.client_id, Role.VIEWER, tenant.storage_blocked_at)


def _read(claims: Mapping[str, Any]) -> Claims:
    """Raises ValueError, KeyError, TypeError or AttributeError for claims of another form."""
    scope = claims.get("scope", Scope.DASHBOARD)
    return Claims(
        subject=str(claims["sub"]),
        tenant_id=TenantId(UUID(claims["tenant"])),
        role=Role[claims["role"].upper()],
        scopes=frozenset(scope.split()),
    )

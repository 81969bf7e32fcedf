"""Access tokens: JSON Web Tokens that a customer's server makes with the project's secret key.

HS256 under the raw SHA-256 digest of the secret; `iat` is required, and a token lives 24 hours at most, whatever its `exp`.
`uc.restrictions.scope` names the paths that it is for (`/base/`, `/multipart/*`), `uc.restrictions.limits.operations` how many
files it may upload. Source: https://uploadcare.com/docs/api/upload/authentication/ (2026-09-08).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

import jwt
from aiohttp import hdrs, web

from services.gateway.deps import Deps
from services.gateway.dialects.uploadcare.errors import UploadcareError
from services.gateway.domain.project import Project
from services.gateway.store import AccessTokenStore

MAX_LIFE: Final = timedelta(hours=24)
CLOCK_SKEW: Final = timedelta(seconds=60)
"""How far in the future a token may have been issued: clocks differ."""
MAX_OPERATIONS: Final = 2**31 - 1


@dataclass(frozen=True)
class Grant:
    expires_at: datetime
    scope: tuple[str, ...] | None
    """None: every path."""
    operations: int | None
    """None: any number."""

    def covers(self, path: str) -> bool:
        return self.scope is None or any(_matches(path, pattern) for pattern in self.scope)


def bearer_token(request: web.Request) -> str | None:
    scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


async def use_token(deps: Deps, request: web.Request, project: Project, token: str, *, files: int) -> None:
    """Counts these files where the token may upload only so many. Raises UploadcareError."""
    grant = read(token, deps.projects.secret_key(project), deps.clock())
    if not grant.covers(f"/{request.path.strip('/')}/"):
        raise UploadcareError("AccessTokenInvalidError")
    if grant.operations is None or not files:
        return
    signed_part = token.rpartition(".")[0]  # the same signature may be spelled in several ways
    identity = sha256(f"{project.id}.{signed_part}".encode()).digest()  # another project's token may claim just the same
    async with deps.database.connection() as connection:
        counted = await AccessTokenStore(connection).use(identity, files, limit=grant.operations, expires_at=grant.expires_at)
    if not counted:
        raise UploadcareError("AccessTokenInvalidError")


def read(token: str, secret_key: str, now: datetime) -> Grant:
    """Raises UploadcareError."""
    key = sha256(secret_key.encode()).digest()
    options: Any = {"require": ["iat"], "verify_iat": False, "verify_exp": False, "verify_nbf": False, "verify_aud": False}
    try:
        claims = jwt.decode(token, key, algorithms=["HS256"], options=options)
        grant = _grant(claims, now)
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, OSError):
        raise UploadcareError("AccessTokenInvalidError") from None
    if grant.expires_at <= now:
        raise UploadcareError("AccessTokenExpiredError")
    return grant


def _grant(claims: Mapping[str, Any], now: datetime) -> Grant:
    """Raises ValueError, TypeError, OverflowError or (a time beyond all calendars) OSError for claims that make no sense."""
    issued_at = _time(claims["iat"])
    expires_at = _time(claims["exp"]) if "exp" in claims else issued_at + MAX_LIFE
    starts_at = _time(claims["nbf"]) if "nbf" in claims else issued_at
    if max(issued_at, starts_at) > now + CLOCK_SKEW or expires_at > issued_at + MAX_LIFE:
        raise ValueError("not a token of today")
    restrictions = _object(_object(claims, "uc"), "restrictions")
    scope = restrictions.get("scope")
    if scope is not None and not (isinstance(scope, list) and all(isinstance(path, str) for path in scope)):
        raise ValueError("scope")
    operations = _object(restrictions, "limits").get("operations")
    if operations is not None and (type(operations) is not int or not 0 < operations <= MAX_OPERATIONS):
        raise ValueError("operations")
    return Grant(expires_at, None if scope is None else tuple(scope), operations)


def _time(value: Any) -> datetime:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("a time is a number")
    return datetime.fromtimestamp(value, UTC)


def _object(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = parent.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise TypeError(name)
    return value


def _matches(path: str, pattern: str) -> bool:
    if pattern.endswith("*"):
        return path.startswith(pattern[:-1])
    return path == f"/{pattern.strip('/')}/"

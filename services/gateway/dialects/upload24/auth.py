"""Who may do what (T-03, T-04, T-13): uploads by API key or bearer token, the dashboard's routes by bearer token alone.

Where both are sent the API key counts (5.2.3), also one that is not valid.
"""

from aiohttp import hdrs, web

from services.gateway.auth import HEADER, Principal
from services.gateway.deps import Deps
from services.gateway.domain.error import UnknownKeyError
from services.gateway.domain.role import Permission, Scope


async def uploader(deps: Deps, request: web.Request, permission: Permission) -> Principal:
    """Raises UnknownKeyError, UnknownTokenError, InsufficientScopeError or InsufficientRoleError."""
    if HEADER in request.headers:
        return await deps.auth.principal(request.headers, permission)
    if hdrs.AUTHORIZATION not in request.headers:
        raise UnknownKeyError
    return (await deps.bearers.bearer(request.headers, permission, Scope.UPLOAD, Scope.DASHBOARD)).principal


async def dashboard(deps: Deps, request: web.Request, permission: Permission) -> Principal:
    """Raises UnknownTokenError, InsufficientScopeError or InsufficientRoleError."""
    return (await deps.bearers.bearer(request.headers, permission, Scope.DASHBOARD)).principal

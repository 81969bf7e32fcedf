"""Who calls: `Authorization: Bearer` or `Private-Token`, or `access_token` in the query or the body (M-01 to M-03, M-22)."""

from typing import Final

from aiohttp import web

from libs.web.route import HttpError
from services.gateway.auth import Principal
from services.gateway.deps import Deps
from services.gateway.dialects.medialab.params import Params, query_value, read_params
from services.gateway.domain.error import UnknownTokenError
from services.gateway.domain.role import Permission, Scope, require

PARAMETER: Final = "access_token"


class Callers:
    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    async def caller(self, request: web.Request) -> Principal:
        """By the header or the query.

        Raises UnknownTokenError, InsufficientScopeError or InsufficientRoleError; HttpError for a malformed query.
        """
        if "Authorization" not in request.headers and (token := query_value(request, PARAMETER)):
            return await self._of_access_token(token)
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        match scheme.lower():
            case "bearer":
                return await self._of_access_token(token.strip())
            case "private-token":
                return await self._of_private_token(token.strip())
        raise UnknownTokenError

    async def caller_and_params(self, request: web.Request) -> tuple[Principal, Params]:
        """By the body, too, which is read. Raises as `caller` and `read_params`."""
        if "Authorization" in request.headers or query_value(request, PARAMETER):
            return await self.caller(request), await read_params(request)
        try:
            params = await read_params(request)
        except HttpError:
            raise UnknownTokenError from None
        token = params.values.get(PARAMETER)
        if not isinstance(token, str):
            raise UnknownTokenError
        return await self._of_access_token(token), params

    async def _of_access_token(self, token: str) -> Principal:
        return (await self._deps.bearers.holder(token, Permission.UPLOAD, Scope.UPLOAD)).principal

    async def _of_private_token(self, token: str) -> Principal:
        principal = await self._deps.private_tokens.holder(token)
        require(principal.role, Permission.UPLOAD)
        return principal

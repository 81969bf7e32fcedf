"""`/platform/v1/accounts`: a tenant links the accounts that its uploads are published to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import web
from pydantic import BaseModel

from libs.outbox.unit_of_work import UnitOfWork
from libs.web.problem import CONTENT_TYPE, UNAVAILABLE, Problem, problem, problem_error
from libs.web.request import parse_query, read_json
from libs.web.route import Answer, Api, NotFoundError, Parameter, Route
from services.gateway.auth import HEADER, Principal
from services.gateway.deps import Deps
from services.gateway.domain.account import Account, parse_id
from services.gateway.domain.error import (
    InsufficientRoleError,
    InsufficientScopeError,
    InvalidFieldError,
    UnknownKeyError,
    UnknownTokenError,
)
from services.gateway.domain.role import Permission, Scope
from services.gateway.platform.account_schema import (
    AccountChange,
    AccountListQuery,
    AccountPage,
    AccountRequest,
    AccountView,
    to_view,
)
from services.gateway.platform.cursor import Cursor
from services.gateway.store import AccountStore
from services.gateway.usecases.account import change_account, link_account, unlink_account

PATH: Final = "/platform/v1/accounts"
DATABASE_SECONDS: Final = 10


class Accounts:
    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    async def link(self, request: web.Request) -> web.StreamResponse:
        principal = await self._principal(request)
        body = await read_json(request, AccountRequest)
        async with self._transaction() as work:
            account = await link_account(
                work,
                self._deps.secrets_box,
                principal.tenant_id,
                kind=body.kind,
                name=body.name,
                settings=body.settings,
                quota_limit=body.quota_limit,
                now=self._deps.clock(),
            )
        return _json(to_view(account), status=201)

    async def list(self, request: web.Request) -> web.StreamResponse:
        principal = await self._principal(request)
        query = parse_query(request, AccountListQuery)
        before = Cursor.parse(query.cursor) if query.cursor else None
        async with self._transaction() as work:
            found = await AccountStore(work.connection).newest(
                principal.tenant_id, before=(before.created_at, before.id) if before else None, limit=query.limit + 1
            )
        page = found[: query.limit]
        more = str(Cursor(page[-1].created_at, page[-1].id)) if len(found) > query.limit else None
        return _json(AccountPage(accounts=[to_view(account) for account in page], next_cursor=more))

    async def show(self, request: web.Request) -> web.StreamResponse:
        principal = await self._principal(request)
        async with self._transaction() as work:
            return _json(to_view(await _found(work, principal, request)))

    async def change(self, request: web.Request) -> web.StreamResponse:
        principal = await self._principal(request)
        body = await read_json(request, AccountChange)
        changes: dict[str, Any] = {name: getattr(body, name) for name in body.model_fields_set}
        async with self._transaction() as work:
            account = await _found(work, principal, request, lock=True)
            changed = await change_account(work, self._deps.secrets_box, account, changes, self._deps.clock())
        return _json(to_view(changed))

    async def unlink(self, request: web.Request) -> web.StreamResponse:
        """What waits to be published to it fails; what was published stays in the history."""
        principal = await self._principal(request)
        async with self._transaction() as work:
            await unlink_account(work, await _found(work, principal, request, lock=True), self._deps.clock())
        return web.Response(status=204)

    async def _principal(self, request: web.Request) -> Principal:
        if HEADER in request.headers:
            return await self._deps.auth.principal(request.headers, Permission.ADMINISTER)
        return (await self._deps.bearers.bearer(request.headers, Permission.ADMINISTER, Scope.DASHBOARD)).principal

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[UnitOfWork]:
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.outbox.unit_of_work() as work:
            yield work


async def _found(work: UnitOfWork, principal: Principal, request: web.Request, *, lock: bool = False) -> Account:
    """Raises NotFoundError."""
    account_id = parse_id(request.match_info["account_id"])
    account = await AccountStore(work.connection).find(principal.tenant_id, account_id, lock=lock) if account_id else None
    if account is None:
        raise NotFoundError("There is no such account.")
    return account


def api(deps: Deps) -> Api:
    accounts = Accounts(deps)
    refused = {
        401: Answer("No valid API key and no valid bearer token.", Problem, CONTENT_TYPE, {"WWW-Authenticate": "`Bearer`"}),
        403: Answer("The role is not `admin`.", Problem, CONTENT_TYPE),
        503: UNAVAILABLE,
    }
    malformed = {400: Answer("The request is not as documented.", Problem, CONTENT_TYPE)}
    unreadable = {
        status: Answer(text, Problem, CONTENT_TYPE)
        for status, text in {408: "The body did not arrive in time.", 413: "Too large.", 415: "Not JSON."}.items()
    }
    missing = {404: Answer("No such account.", Problem, CONTENT_TYPE)}
    one = f"{PATH}/{{account_id}}"
    security = ("api_key", "bearer_token")
    return Api(
        name="accounts",
        title="Accounts that uploads are published to",
        routes=[
            Route(
                "POST", PATH, accounts.link, "link_account", "Link an account",
                {201: Answer("The account, without its credentials.", AccountView), **malformed, **unreadable, **refused},
                body=AccountRequest, security=security,
            ),
            Route(
                "GET", PATH, accounts.list, "list_accounts", "Linked accounts, newest first",
                {200: Answer("One page.", AccountPage), **malformed, **refused}, security=security,
                parameters=(
                    Parameter("limit", "query", "How many at most; 20 where not given.",
                              schema={"type": "integer", "minimum": 1, "maximum": 100}),
                    Parameter("cursor", "query", "`next_cursor` of the page before.",
                              schema={"type": "string", "maxLength": 120}),
                ),
            ),
            Route(
                "GET", one, accounts.show, "get_account", "One account",
                {200: Answer("The account.", AccountView), **missing, **refused}, security=security,
            ),
            Route(
                "PATCH", one, accounts.change, "change_account", "Change an account; what is not given stays",
                {200: Answer("The account as it is now.", AccountView), **malformed, **unreadable, **missing, **refused},
                body=AccountChange, security=security,
            ),
            Route(
                "DELETE", one, accounts.unlink, "unlink_account", "Unlink an account and forget its credentials",
                {204: Answer("Nothing is published to it any more."), **missing, **refused}, security=security,
            ),
        ],
        render_error=_render_error,
        security_schemes={
            "api_key": {"type": "apiKey", "in": "header", "name": HEADER},
            "bearer_token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        },
    )  # fmt: skip


def _json(view: BaseModel, status: int = 200) -> web.Response:
    body = view.model_dump_json().encode()
    return web.Response(body=body, status=status, content_type="application/json", headers={"Cache-Control": "no-store"})


def _render_error(request: web.Request, error: Exception) -> web.Response:
    match error:
        case UnknownKeyError() | UnknownTokenError():
            response = problem(401, error.code, error.message)
            response.headers["WWW-Authenticate"] = "Bearer"
            return response
        case InsufficientRoleError() | InsufficientScopeError():
            return problem(403, error.code, error.message)
        case InvalidFieldError():
            return problem(400, "invalid_request", error.message, errors=[{"field": error.field, "message": error.message}])
    return problem_error(request, error)

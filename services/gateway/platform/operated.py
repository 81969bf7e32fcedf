"""What the routes share by which an operator manages what belongs to tenants."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Final
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel, Field

from contracts.ids import TenantId
from libs.outbox.unit_of_work import UnitOfWork
from libs.postgres.database import Connection
from libs.web.problem import CONTENT_TYPE, UNAVAILABLE, Problem, problem, problem_error
from libs.web.route import Answer, HttpError, NotFoundError, Parameter
from services.gateway.deps import Deps
from services.gateway.domain.error import InvalidFieldError, UnknownKeyError
from services.gateway.platform.cursor import Cursor
from services.gateway.store import TenantStore

DATABASE_SECONDS: Final = 10
SECURITY: Final = ("admin_token",)
SECURITY_SCHEMES: Final = {"admin_token": {"type": "http", "scheme": "bearer"}}

REFUSED: Final = {
    401: Answer("No valid operator's token.", Problem, CONTENT_TYPE, {"WWW-Authenticate": "`Bearer`"}),
    503: UNAVAILABLE,
}
MALFORMED: Final = {400: Answer("The request is not as documented.", Problem, CONTENT_TYPE)}
UNREADABLE: Final = {
    status: Answer(text, Problem, CONTENT_TYPE)
    for status, text in {408: "The body did not arrive in time.", 413: "Too large.", 415: "Not JSON."}.items()
}
PAGING: Final = (
    Parameter("tenant_id", "query", "Of this tenant alone.", schema={"type": "string", "format": "uuid"}),
    Parameter(
        "limit", "query", "How many at most; 20 where not given.", schema={"type": "integer", "minimum": 1, "maximum": 100}
    ),
    Parameter("cursor", "query", "`next_cursor` of the page before.", schema={"type": "string", "maxLength": 120}),
)


class PageQuery(BaseModel):
    tenant_id: UUID | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Annotated[str, Field(max_length=120)] | None = None

    @property
    def before(self) -> Cursor | None:
        """Raises InvalidCursorError."""
        return Cursor.parse(self.cursor) if self.cursor else None


class UnknownTenantError(HttpError):
    """No tenant has this id."""

    code = "unknown_tenant"


@asynccontextmanager
async def reading(deps: Deps) -> AsyncIterator[Connection]:
    async with asyncio.timeout(DATABASE_SECONDS), deps.database.connection() as connection:
        yield connection


@asynccontextmanager
async def changing(deps: Deps) -> AsyncIterator[UnitOfWork]:
    async with asyncio.timeout(DATABASE_SECONDS), deps.outbox.unit_of_work() as work:
        yield work


async def tenant_of(connection: Connection, asked: UUID | None) -> TenantId:
    """The first tenant of the installation where none is asked for. Raises UnknownTenantError."""
    store = TenantStore(connection)
    tenant = await (store.find(TenantId(asked)) if asked else store.first())
    if tenant is None:
        raise UnknownTenantError("There is no such tenant.")
    return tenant.id


def id_in_path(request: web.Request, name: str, what: str) -> UUID:
    """Raises NotFoundError."""
    try:
        return UUID(request.match_info[name])
    except ValueError:
        raise NotFoundError(f"There is no such {what}.") from None


def answer(view: BaseModel, status: int = 200) -> web.Response:
    body = view.model_dump_json().encode()
    return web.Response(body=body, status=status, content_type="application/json", headers={"Cache-Control": "no-store"})


def render_error(request: web.Request, error: Exception) -> web.Response:
    if isinstance(error, UnknownKeyError):
        response = problem(401, error.code, "The Authorization header holds no valid operator's token.")
        response.headers["WWW-Authenticate"] = "Bearer"
        return response
    if isinstance(error, InvalidFieldError):
        errors = [{"field": error.field, "message": error.message}]
        return problem(400, "invalid_request", "The request does not have the documented form.", errors=errors)
    return problem_error(request, error)

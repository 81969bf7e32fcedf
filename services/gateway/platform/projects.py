"""`/platform/v1/projects`: an operator makes, reads and changes the projects of the Uploadcare API."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC
from typing import Any, Final
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel

from contracts.ids import TenantId, new_id
from libs.postgres.database import Connection
from libs.web.problem import CONTENT_TYPE, UNAVAILABLE, Problem, problem, problem_error
from libs.web.request import parse_query, read_json
from libs.web.route import Answer, Api, HttpError, NotFoundError, Parameter, Route
from services.gateway.deps import Deps
from services.gateway.domain.error import UnknownKeyError
from services.gateway.domain.project import Project, ProjectId, ProjectStatus, RateLimit, new_public_key, new_secret_key
from services.gateway.platform.cursor import Cursor
from services.gateway.platform.project_schema import (
    ProjectChange,
    ProjectCreated,
    ProjectListQuery,
    ProjectPage,
    ProjectRequest,
    ProjectView,
    shown,
)
from services.gateway.store import ProjectStore, TenantStore

PATH: Final = "/platform/v1/projects"
DATABASE_SECONDS: Final = 10


class UnknownTenantError(HttpError):
    """No tenant has this id."""

    code = "unknown_tenant"


class ProjectAdministration:
    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    async def create(self, request: web.Request) -> web.StreamResponse:
        await self._deps.operators.require(request.headers)
        body = await read_json(request, ProjectRequest)
        secret_key = new_secret_key()
        async with self._transaction() as connection:
            tenant_id = await _tenant_id(TenantStore(connection), body.tenant_id)
            project = self._new(body, tenant_id, secret_key)
            await ProjectStore(connection).insert(project)
        return _json(ProjectCreated(**shown(project), secret_key=secret_key), status=201)

    async def list(self, request: web.Request) -> web.StreamResponse:
        await self._deps.operators.require(request.headers)
        query = parse_query(request, ProjectListQuery)
        before = Cursor.parse(query.cursor) if query.cursor else None
        async with self._transaction() as connection:
            found = await ProjectStore(connection).newest(
                before=(before.created_at, before.id) if before else None, limit=query.limit + 1
            )
        page = found[: query.limit]
        more = str(Cursor(page[-1].created_at, page[-1].id)) if len(found) > query.limit else None
        return _json(ProjectPage(projects=[ProjectView(**shown(project)) for project in page], next_cursor=more))

    async def show(self, request: web.Request) -> web.StreamResponse:
        await self._deps.operators.require(request.headers)
        async with self._transaction() as connection:
            project = await _found(ProjectStore(connection), request)
        return _json(ProjectView(**shown(project)))

    async def change(self, request: web.Request) -> web.StreamResponse:
        await self._deps.operators.require(request.headers)
        body = await read_json(request, ProjectChange)
        return await self._update(request, _changes(body))

    async def remove(self, request: web.Request) -> web.StreamResponse:
        """Its files stay where they are; its keys are answered with ProjectPublicKeyRemovedError (U-E19)."""
        await self._deps.operators.require(request.headers)
        await self._update(request, {"status": ProjectStatus.REMOVED})
        return web.Response(status=204)

    async def _update(self, request: web.Request, changes: dict[str, Any]) -> web.StreamResponse:
        async with self._transaction() as connection:
            store = ProjectStore(connection)
            project = replace(await _found(store, request, lock=True), **changes, updated_at=self._deps.clock())
            await store.update(project)
        return _json(ProjectView(**shown(project)))

    def _new(self, body: ProjectRequest, tenant_id: TenantId, secret_key: str) -> Project:
        now = self._deps.clock().astimezone(UTC)
        defaults: dict[str, Any] = {
            "signed_uploads": False,
            "auto_store": True,
            "max_file_size_bytes": self._deps.limits.max_upload_bytes,
            "rate_limit": None,
            "allowed_types": (),
            "forbidden_types": (),
            "allowed_origins": (),
            "status": ProjectStatus.ACTIVE,
        }
        return Project(
            id=ProjectId(new_id()),
            tenant_id=tenant_id,
            public_key=new_public_key(),
            secret_sealed=self._deps.secrets_box.seal(secret_key),
            created_at=now,
            updated_at=now,
            **{**defaults, **_changes(body)},
        )

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Connection]:
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.database.transaction() as connection:
            yield connection


async def _tenant_id(store: TenantStore, asked: UUID | None) -> TenantId:
    """Raises UnknownTenantError."""
    tenant = await (store.find(TenantId(asked)) if asked else store.first())
    if tenant is None:
        raise UnknownTenantError("There is no such tenant.")
    return tenant.id


async def _found(store: ProjectStore, request: web.Request, *, lock: bool = False) -> Project:
    """Raises NotFoundError."""
    try:
        project_id = ProjectId(UUID(request.match_info["project_id"]))
    except ValueError:
        raise NotFoundError("There is no such project.") from None
    project = await store.find(project_id, lock=lock)
    if project is None:
        raise NotFoundError("There is no such project.")
    return project


def _changes(body: ProjectChange) -> dict[str, Any]:
    """The given fields as a `Project` has them."""
    changes = {name: getattr(body, name) for name in body.model_fields_set if name != "tenant_id"}
    for name in ("allowed_types", "forbidden_types", "allowed_origins"):
        if name in changes:
            changes[name] = tuple(changes[name])
    if (limit := changes.get("rate_limit")) is not None:
        changes["rate_limit"] = RateLimit(limit.requests, limit.per_seconds)
    return changes


def api(deps: Deps) -> Api:
    projects = ProjectAdministration(deps)
    refused = {
        401: Answer("No valid operator's token.", Problem, CONTENT_TYPE, {"WWW-Authenticate": "`Bearer`"}),
        503: UNAVAILABLE,
    }
    malformed = {400: Answer("The request is not as documented.", Problem, CONTENT_TYPE)}
    unreadable = {
        status: Answer(text, Problem, CONTENT_TYPE)
        for status, text in {408: "The body did not arrive in time.", 413: "Too large.", 415: "Not JSON."}.items()
    }
    missing = {404: Answer("No such project.", Problem, CONTENT_TYPE)}
    one = f"{PATH}/{{project_id}}"
    security = ("admin_token",)
    changed = {200: Answer("The project as it is now.", ProjectView), **malformed, **unreadable, **missing, **refused}
    return Api(
        name="projects",
        title="Projects of the Uploadcare API, for operators",
        routes=[
            Route(
                "POST", PATH, projects.create, "create_project", "Make a project",
                {201: Answer("The project and, this once, its secret key.", ProjectCreated),
                 **malformed, **unreadable, **refused},
                body=ProjectRequest, security=security,
            ),
            Route(
                "GET", PATH, projects.list, "list_projects", "Projects, newest first",
                {200: Answer("One page.", ProjectPage), **malformed, **refused}, security=security,
                parameters=(
                    Parameter("limit", "query", "How many at most; 20 where not given.",
                              schema={"type": "integer", "minimum": 1, "maximum": 100}),
                    Parameter("cursor", "query", "`next_cursor` of the page before.",
                              schema={"type": "string", "maxLength": 120}),
                ),
            ),
            Route(
                "GET", one, projects.show, "get_project", "One project",
                {200: Answer("The project.", ProjectView), **missing, **refused}, security=security,
            ),
            Route(
                "PATCH", one, projects.change, "update_project", "Change a project; what is not given stays",
                changed, body=ProjectChange, security=security,
            ),
            Route(
                "DELETE", one, projects.remove, "remove_project", "Mark a project as removed; its files stay",
                {204: Answer("It takes no more files."), **missing, **refused}, security=security,
            ),
        ],
        render_error=_render_error,
        security_schemes={"admin_token": {"type": "http", "scheme": "bearer"}},
    )  # fmt: skip


def _json(view: BaseModel, status: int = 200) -> web.Response:
    body = view.model_dump_json().encode()
    return web.Response(body=body, status=status, content_type="application/json", headers={"Cache-Control": "no-store"})


def _render_error(request: web.Request, error: Exception) -> web.Response:
    if isinstance(error, UnknownKeyError):
        response = problem(401, error.code, "The Authorization header holds no valid operator's token.")
        response.headers["WWW-Authenticate"] = "Bearer"
        return response
    return problem_error(request, error)

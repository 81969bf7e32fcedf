"""`/platform/v1/containers`: an operator links storage of a tenant from which files may be taken."""

from datetime import UTC
from typing import Final

from aiohttp import web

from contracts.container import S3Container
from contracts.ids import new_id
from libs.egress.url import UrlRefusedError, check_host
from libs.web.problem import CONTENT_TYPE, Problem
from libs.web.request import parse_query, read_json
from libs.web.route import Answer, Api, HttpError, NotFoundError, Route
from services.gateway.deps import Deps
from services.gateway.domain.container import ContainerId, LinkedContainer, place_of
from services.gateway.domain.error import InvalidFieldError
from services.gateway.platform.container_schema import ContainerPage, ContainerRequest, ContainerView
from services.gateway.platform.cursor import Cursor
from services.gateway.platform.operated import (
    MALFORMED,
    PAGING,
    REFUSED,
    SECURITY,
    SECURITY_SCHEMES,
    UNREADABLE,
    PageQuery,
    answer,
    changing,
    id_in_path,
    reading,
    render_error,
    tenant_of,
)
from services.gateway.store import ContainerStore

PATH: Final = "/platform/v1/containers"


class ContainerWatchedError(HttpError):
    """A watch folder lies in this container."""

    code = "container_watched"
    status = 409


class ContainerAdministration:
    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    async def link(self, request: web.Request) -> web.StreamResponse:
        await self._deps.operators.require(request.headers)
        body = await read_json(request, ContainerRequest)
        settings = body.settings
        if isinstance(settings, S3Container):
            await self._check("settings.endpoint", settings.endpoint)
        else:
            await self._check("settings.account_url", settings.account_url)
        async with changing(self._deps) as work:
            container = LinkedContainer(
                id=ContainerId(new_id()),
                tenant_id=await tenant_of(work.connection, body.tenant_id),
                kind=settings.kind,
                name=body.name,
                place=place_of(settings),
                settings_sealed=self._deps.secrets_box.seal(settings.model_dump_json()),
                created_at=self._deps.clock().astimezone(UTC),
            )
            await ContainerStore(work.connection).insert(container)
        return answer(ContainerView.of(container), status=201)

    async def list(self, request: web.Request) -> web.StreamResponse:
        await self._deps.operators.require(request.headers)
        query = parse_query(request, PageQuery)
        before = query.before
        async with reading(self._deps) as connection:
            tenant_id = await tenant_of(connection, query.tenant_id) if query.tenant_id else None
            found = await ContainerStore(connection).newest(
                tenant_id, before=(before.created_at, before.id) if before else None, limit=query.limit + 1
            )
        page = found[: query.limit]
        more = str(Cursor(page[-1].created_at, page[-1].id)) if len(found) > query.limit else None
        return answer(ContainerPage(containers=[ContainerView.of(container) for container in page], next_cursor=more))

    async def show(self, request: web.Request) -> web.StreamResponse:
        await self._deps.operators.require(request.headers)
        container_id = ContainerId(id_in_path(request, "container_id", "container"))
        async with reading(self._deps) as connection:
            container = await ContainerStore(connection).find(container_id)
        if container is None:
            raise NotFoundError("There is no such container.")
        return answer(ContainerView.of(container))

    async def unlink(self, request: web.Request) -> web.StreamResponse:
        """What was asked of it before is still fetched."""
        await self._deps.operators.require(request.headers)
        container_id = ContainerId(id_in_path(request, "container_id", "container"))
        async with changing(self._deps) as work:
            store = ContainerStore(work.connection)
            if await store.is_watched(container_id):
                raise ContainerWatchedError("A watch folder lies in this container: remove that first.")
            if not await store.delete(container_id):
                raise NotFoundError("There is no such container.")
        return web.Response(status=204)

    async def _check(self, field: str, address: str) -> None:
        """Raises InvalidFieldError where nobody could fetch anything from there."""
        try:
            await check_host(address, self._deps.egress)
        except UrlRefusedError as error:
            raise InvalidFieldError(field, error.message) from None


def api(deps: Deps) -> Api:
    containers = ContainerAdministration(deps)
    missing = {404: Answer("No such container.", Problem, CONTENT_TYPE)}
    watched = {409: Answer("A watch folder lies in it.", Problem, CONTENT_TYPE)}
    one = f"{PATH}/{{container_id}}"
    return Api(
        name="containers",
        title="Linked containers, for operators",
        routes=[
            Route(
                "POST", PATH, containers.link, "link_container", "Link a bucket or an Azure container",
                {201: Answer("The container, without its credentials.", ContainerView), **MALFORMED, **UNREADABLE, **REFUSED},
                body=ContainerRequest, security=SECURITY,
            ),
            Route(
                "GET", PATH, containers.list, "list_containers", "Linked containers, newest first",
                {200: Answer("One page.", ContainerPage), **MALFORMED, **REFUSED}, security=SECURITY, parameters=PAGING,
            ),
            Route(
                "GET", one, containers.show, "get_container", "One linked container",
                {200: Answer("The container.", ContainerView), **missing, **REFUSED}, security=SECURITY,
            ),
            Route(
                "DELETE", one, containers.unlink, "unlink_container", "Forget a container; what lies in it stays",
                {204: Answer("Nothing more is taken from it."), **missing, **watched, **REFUSED}, security=SECURITY,
            ),
        ],
        render_error=render_error,
        security_schemes=SECURITY_SCHEMES,
    )  # fmt: skip

"""`/groups/`: groups that the Upload API made."""

import asyncio

from aiohttp import web

from libs.postgres.database import Connection
from libs.web.request import parse_query
from services.gateway.deps import Deps
from services.gateway.dialects.uploadcare.rest.answer import DATABASE_SECONDS, answer, nothing
from services.gateway.dialects.uploadcare.rest.auth import Gate
from services.gateway.dialects.uploadcare.rest.errors import MissingError
from services.gateway.dialects.uploadcare.rest.paging import page_url, window
from services.gateway.dialects.uploadcare.rest.schemas import GroupListQuery, GroupPage
from services.gateway.dialects.uploadcare.rest.translate import group_id, to_group, to_summary
from services.gateway.domain.page import Place
from services.gateway.domain.project import Project
from services.gateway.store import GroupStore, ProjectCountStore
from services.gateway.store.group import Group


class Groups:
    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._gate = Gate(deps)

    async def show_all(self, request: web.Request) -> web.Response:
        project = (await self._gate.admit(request)).project
        query = parse_query(request, GroupListQuery)
        asked = window(query.start, query.ordering, query.limit)
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.database.connection() as connection:
            found, before = await GroupStore(connection).page(project.id, asked)
            total = (await ProjectCountStore(connection).counts(project.id)).get("group", 0)
        path = f"{self._deps.base_url}/groups/"
        options = query.model_dump(exclude={"start"}, exclude_unset=True)
        after = Place(found[-1].created_at, found[-1].id) if len(found) > query.limit else None
        return answer(GroupPage(
            next=page_url(path, after, options),
            previous=page_url(path, before, options),
            total=total,
            per_page=query.limit,
            results=[to_summary(group, self._deps.base_url) for group in found[: query.limit]],
        ))  # fmt: skip

    async def show(self, request: web.Request) -> web.Response:
        project = (await self._gate.admit(request)).project
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.database.connection() as connection:
            group = await _find(request, project, connection)
            members = await GroupStore(connection).members(group.id)
        return answer(to_group(group, members, self._deps.base_url, self._deps.clock()))

    async def delete(self, request: web.Request) -> web.Response:
        """Its files stay."""
        project = (await self._gate.admit(request)).project
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.database.transaction() as connection:
            group = await _find(request, project, connection)
            await GroupStore(connection).delete(group.id)
        return nothing()


async def _find(request: web.Request, project: Project, connection: Connection) -> Group:
    """Raises MissingError."""
    found_id, files_count = group_id(request.match_info["group_id"])
    group = await GroupStore(connection).find(found_id)
    if group is None or group.project_id != project.id or group.files_count != files_count:
        raise MissingError
    return group

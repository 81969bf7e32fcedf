"""`GET /files/`: the project's files, a page at a time."""

import asyncio

from aiohttp import web

from libs.web.request import parse_query
from services.gateway.deps import Deps
from services.gateway.dialects.uploadcare.rest.answer import DATABASE_SECONDS, answer
from services.gateway.dialects.uploadcare.rest.auth import Gate
from services.gateway.dialects.uploadcare.rest.paging import page_url, window
from services.gateway.dialects.uploadcare.rest.schemas import FileListQuery, FilePage, TotalsView
from services.gateway.dialects.uploadcare.rest.translate import to_view
from services.gateway.domain.page import Place
from services.gateway.store import ProjectCountStore, ProjectFileStore


class FileList:
    """Verified files; a removed one is not a stored one."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._gate = Gate(deps)

    async def show(self, request: web.Request) -> web.Response:
        project = (await self._gate.admit(request)).project
        query = parse_query(request, FileListQuery)
        asked = window(query.start, query.ordering, query.limit)
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.database.connection() as connection:
            store = ProjectFileStore(connection)
            found, before = await store.page(project.id, asked, removed=query.removed, stored=query.stored)
            counts = await ProjectCountStore(connection).counts(project.id)
        totals = TotalsView(**{kind: counts.get(kind, 0) for kind in TotalsView.model_fields})
        base_url = self._deps.base_url
        options = query.model_dump(exclude={"start"}, exclude_unset=True)
        after = Place(found[-1].created_at, found[-1].id) if len(found) > query.limit else None
        return answer(FilePage(
            next=page_url(f"{base_url}/files/", after, options),
            previous=page_url(f"{base_url}/files/", before, options),
            total=_total(query, totals),
            per_page=query.limit,
            totals=totals,
            results=[to_view(upload, base_url) for upload in found[: query.limit]],
        ))  # fmt: skip


def _total(query: FileListQuery, totals: TotalsView) -> int:
    """How many files all pages have."""
    if query.removed:
        return 0 if query.stored else totals.removed
    return sum(count for stored, count in ((True, totals.stored), (False, totals.unstored)) if query.stored in (None, stored))

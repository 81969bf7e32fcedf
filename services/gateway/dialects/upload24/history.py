"""What became of uploads: `GET /api/upload/{uploadId}/status` and `GET /uploads` (T-12, T-13)."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from aiohttp import web

from contracts.ids import UploadId
from libs.web.request import parse_query
from services.gateway.deps import Deps
from services.gateway.dialects.upload24.answer import answer
from services.gateway.dialects.upload24.auth import dashboard, uploader
from services.gateway.dialects.upload24.cursor import parse_cursor, to_cursor
from services.gateway.dialects.upload24.schemas import ListQuery, UploadPage
from services.gateway.dialects.upload24.session import DATABASE_SECONDS
from services.gateway.dialects.upload24.translate import PROGRESS, account_ids, to_listed, to_status
from services.gateway.domain.error import UploadNotFoundError
from services.gateway.domain.publication import Publication
from services.gateway.domain.role import Permission
from services.gateway.store import PublicationStore, SubmissionStore


class History:
    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    async def status(self, request: web.Request) -> web.Response:
        principal = await uploader(self._deps, request, Permission.READ)
        upload_id = UploadId(UUID(request.match_info["uploadId"]))
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.database.connection() as connection:
            found = await SubmissionStore(connection).find_completed(principal.tenant_id, upload_id)
            publications = await PublicationStore(connection).of_uploads([upload_id])
        if found is None:
            raise UploadNotFoundError("There is no such upload.")
        return answer(to_status(found[1], publications))

    async def list(self, request: web.Request) -> web.Response:
        principal = await dashboard(self._deps, request, Permission.READ)
        query = parse_query(request, ListQuery)
        [account_id] = account_ids([query.account]) if query.account else [None]
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.database.connection() as connection:
            found = await SubmissionStore(connection).newest(
                principal.tenant_id,
                status=PROGRESS[query.status] if query.status else None,
                account_id=account_id,
                since=query.since,
                until=query.until,
                before=parse_cursor(query.cursor) if query.cursor else None,
                limit=query.limit + 1,
            )
            page = found[: query.limit]
            publications = await PublicationStore(connection).of_uploads([submission.upload_id for submission, _ in page])
        by_upload = _by_upload(publications)
        uploads = [to_listed(submission, upload, by_upload[upload.id]) for submission, upload in page]
        more = None
        if len(found) > query.limit:
            last, _ = page[-1]
            assert last.completed_at is not None
            more = to_cursor((last.completed_at, last.upload_id))
        return answer(UploadPage(uploads=uploads, next_cursor=more))


def _by_upload(publications: Sequence[Publication]) -> dict[UploadId, list[Publication]]:
    found: dict[UploadId, list[Publication]] = defaultdict(list)
    for publication in publications:
        found[publication.upload_id].append(publication)
    return found

"""`POST /files/local_copy/`: the same bytes once more, as a file of its own.

The store copies them to where an upload's bytes wait to be verified; what follows is what follows every upload.
"""

import asyncio
from pathlib import PurePosixPath

from aiohttp import web

from contracts.ids import new_upload_id
from libs.object_store.port import ObjectChangedError, ObjectNotFoundError
from libs.web.route import HttpError
from services.gateway.deps import Deps
from services.gateway.dialects.uploadcare.found_file import is_there
from services.gateway.dialects.uploadcare.group_file import parse_file_url
from services.gateway.dialects.uploadcare.rest.answer import DATABASE_SECONDS, answer
from services.gateway.dialects.uploadcare.rest.auth import Gate
from services.gateway.dialects.uploadcare.rest.errors import MissingError
from services.gateway.dialects.uploadcare.rest.request import parsed
from services.gateway.dialects.uploadcare.rest.schemas import CopyAnswer, CopyRequest
from services.gateway.dialects.uploadcare.rest.translate import to_view
from services.gateway.dialects.uploadcare.translate import DIALECT
from services.gateway.domain.content_type import UNDECLARED
from services.gateway.domain.project import Project
from services.gateway.domain.registration import Registration
from services.gateway.domain.upload import Upload
from services.gateway.store import ProjectUploadStore


class Copies:
    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._gate = Gate(deps)

    async def create(self, request: web.Request) -> web.Response:
        call = await self._gate.admit(request)
        asked = parsed(request, call.body, CopyRequest)
        source = await self._source(call.project, asked.source)
        keeps = call.project.auto_store if asked.store == "auto" else asked.store
        new = self._registration(call.project, source, keeps=keeps)
        try:
            await self._deps.objects.copy(source.object_key, new.staging_key, match_etag=source.etag or "")
        except (ObjectNotFoundError, ObjectChangedError):  # deleted at this moment
            raise MissingError from None
        await self._deps.registrar.register(new)
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.database.connection() as connection:
            copied = await ProjectUploadStore(connection).find(call.project.id, new.id)
        if copied is None:
            raise MissingError
        return answer(CopyAnswer(result=to_view(copied, self._deps.base_url)), 201)

    async def _source(self, project: Project, text: str) -> Upload:
        """A verified file. Raises UploadcareError, HttpError or MissingError."""
        asked = parse_file_url(text)
        if asked.effects:
            raise HttpError("`source` has image operations; only originals can be copied.")
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.database.connection() as connection:
            source = await ProjectUploadStore(connection).find(project.id, asked.upload_id)
        if source is None or not is_there(source, self._deps.clock()):
            raise MissingError
        if source.completed_at is None:
            raise HttpError("`source` is not ready yet.")
        return source

    def _registration(self, project: Project, source: Upload, *, keeps: bool) -> Registration:
        now, size_bytes = self._deps.clock(), source.size_bytes or 0
        return Registration(
            id=new_upload_id(),
            tenant_id=project.tenant_id,
            project_id=project.id,
            dialect=DIALECT,
            transfer="streamed",
            registered_at=now,
            url_expires_at=now,
            deadline_at=self._deps.limits.put_deadline(now, size_bytes),
            file_expires_at=None if keeps else now + self._deps.limits.temporary,
            kept_at=now if keeps else None,
            content_type=source.declared_content_type or UNDECLARED,
            size_bytes=size_bytes,
            max_size_bytes=size_bytes,
            name=source.name,
            extension=PurePosixPath(source.object_key).suffix,
            transcode=False,
        )

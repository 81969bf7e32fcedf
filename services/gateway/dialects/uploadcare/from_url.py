"""`/from_url/` and `/from_url/status/`: the platform fetches a file itself (U-24 to U-31)."""

from typing import Final

from aiohttp import web

from contracts.ids import new_upload_id
from libs.file_name.name import clean_name
from services.gateway.deps import Deps
from services.gateway.dialects.uploadcare.answer import answer
from services.gateway.dialects.uploadcare.errors import UploadcareError
from services.gateway.dialects.uploadcare.fetch_status import UNKNOWN, fetch_status
from services.gateway.dialects.uploadcare.file_info import file_info
from services.gateway.dialects.uploadcare.params import Params, query_params, read_params, to_uuid
from services.gateway.dialects.uploadcare.project import PUB_KEY, admit
from services.gateway.dialects.uploadcare.signature import authorize
from services.gateway.dialects.uploadcare.source_url import check_source, source_hash
from services.gateway.dialects.uploadcare.translate import max_file_bytes, to_registration
from services.gateway.domain.content_type import UNDECLARED
from services.gateway.domain.project import Project
from services.gateway.domain.registration import Registration, Source
from services.gateway.domain.upload import Upload
from services.gateway.store import ProjectUploadStore

CHECK: Final = "check_URL_duplicates"
SAVE: Final = "save_URL_duplicates"


class FromUrl:
    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    async def fetch(self, request: web.Request) -> web.Response:
        params = await read_params(request)
        project = await admit(self._deps, request, params, PUB_KEY)
        given = params.filled("source_url")
        if given is None:
            raise UploadcareError("SourceURLRequiredError")
        checks = _flag(params, CHECK, default=False)
        saves = _flag(params, SAVE, default=checks)
        url = await check_source(given, self._deps.egress)
        source = Source(url, saved_hash=source_hash(url) if saves else None)
        new = self._registration(params, project, source)
        await authorize(self._deps, request, params, project, files=1)
        if checks and (known := await self._saved(project, url)) is not None:
            return answer({"type": "file_info", **file_info(known).model_dump()})
        await self._deps.registrar.register(new)
        return answer({"type": "token", "token": str(source.token)})

    async def status(self, request: web.Request) -> web.Response:
        token = query_params(request).filled("token")
        if token is None:
            raise UploadcareError("TokenRequiredError")
        if (parsed := to_uuid(token)) is None:
            return answer(UNKNOWN)
        async with self._deps.database.connection() as connection:
            upload = await ProjectUploadStore(connection).find_by_fetch_token(parsed)
        return answer(UNKNOWN if upload is None else fetch_status(upload, self._deps.clock()))

    def _registration(self, params: Params, project: Project, source: Source) -> Registration:
        now = self._deps.clock()
        return to_registration(
            self._deps,
            project,
            params,
            new_upload_id(),
            url_expires_at=now,
            now=now,
            transfer="fetched",
            source=source,
            content_type=UNDECLARED,
            max_size_bytes=max_file_bytes(self._deps, project),
            name=clean_name(params.filled("filename") or ""),
        )

    async def _saved(self, project: Project, url: str) -> Upload | None:
        async with self._deps.database.connection() as connection:
            return await ProjectUploadStore(connection).find_saved(project.id, source_hash(url), self._deps.clock())


def _flag(params: Params, name: str, *, default: bool) -> bool:
    """Raises UploadcareError for anything but `0` and `1`."""
    match params.filled(name):
        case None:
            return default
        case "0":
            return False
        case "1":
            return True
    raise UploadcareError("UploadViewsError")

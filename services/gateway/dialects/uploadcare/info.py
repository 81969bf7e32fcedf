"""`GET /info/`: what is known of a file (U-32). Clients ask again and again until it is ready."""

from aiohttp import web

from services.gateway.deps import Deps
from services.gateway.dialects.uploadcare.answer import answer
from services.gateway.dialects.uploadcare.file_info import file_info
from services.gateway.dialects.uploadcare.found_file import find_file
from services.gateway.dialects.uploadcare.params import query_params
from services.gateway.dialects.uploadcare.project import PUB_KEY, admit


class Info:
    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    async def show(self, request: web.Request) -> web.Response:
        params = query_params(request)
        project = await admit(self._deps, request, params, PUB_KEY)
        return answer(file_info(await find_file(self._deps, project, params.get("file_id"))))

"""`/project/`: the project that the keys belong to."""

from aiohttp import web

from services.gateway.deps import Deps
from services.gateway.dialects.uploadcare.rest.answer import answer
from services.gateway.dialects.uploadcare.rest.auth import Gate
from services.gateway.dialects.uploadcare.rest.schemas import ProjectView


class ProjectFace:
    def __init__(self, deps: Deps) -> None:
        self._gate = Gate(deps)

    async def show(self, request: web.Request) -> web.Response:
        """Whoever has the keys is a collaborator; Longshore knows no others."""
        project = (await self._gate.admit(request)).project
        return answer(ProjectView(name=project.name, pub_key=project.public_key, autostore_enabled=project.auto_store))

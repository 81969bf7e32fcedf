"""Finding the file that a path names."""

from aiohttp import web

from contracts.ids import UploadId
from libs.postgres.database import Connection
from services.gateway.deps import Deps
from services.gateway.dialects.uploadcare.found_file import is_there
from services.gateway.dialects.uploadcare.params import to_uuid
from services.gateway.dialects.uploadcare.rest.errors import MissingError
from services.gateway.domain.project import Project
from services.gateway.domain.upload import Upload
from services.gateway.store import ProjectUploadStore


async def find_file(
    request: web.Request, deps: Deps, project: Project, connection: Connection, *, lock: bool = False
) -> Upload:
    """One that is there; `lock` keeps it until the commit. Raises MissingError."""
    upload = await _find(request, project, connection, lock=lock)
    if upload is None or not is_there(upload, deps.clock()):
        raise MissingError
    return upload


async def find_any_file(request: web.Request, deps: Deps, project: Project, connection: Connection) -> Upload:
    """A removed one too, but not an upload that came to nothing. Raises MissingError."""
    upload = await _find(request, project, connection)
    if upload is None or (upload.completed_at is None and not is_there(upload, deps.clock())):
        raise MissingError
    return upload


async def _find(request: web.Request, project: Project, connection: Connection, *, lock: bool = False) -> Upload | None:
    upload_id = to_uuid(request.match_info["uuid"])
    if upload_id is None:
        return None
    return await ProjectUploadStore(connection).find(project.id, UploadId(upload_id), lock=lock)

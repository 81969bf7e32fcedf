"""Finding a project's file by its id, as clients may know it."""

from datetime import datetime

from contracts.ids import UploadId
from services.gateway.deps import Deps
from services.gateway.dialects.uploadcare.errors import UploadcareError
from services.gateway.dialects.uploadcare.params import to_uuid
from services.gateway.dialects.uploadcare.verdict import refusal_of
from services.gateway.domain.project import Project
from services.gateway.domain.upload import State, Upload
from services.gateway.store import ProjectUploadStore


async def find_file(deps: Deps, project: Project, file_id: str | None) -> Upload:
    """Raises UploadcareError; for a file that was refused, why."""
    if not file_id:
        raise UploadcareError("FileIdRequiredError")
    if (upload_id := to_uuid(file_id)) is None:
        raise UploadcareError("FileIdInvalidError")
    async with deps.database.connection() as connection:
        upload = await ProjectUploadStore(connection).find(project.id, UploadId(upload_id))
    if upload is not None and upload.state is State.REJECTED and upload.deleted_at is None:
        raise refusal_of(upload)
    if upload is None or not is_there(upload, deps.clock()):
        raise UploadcareError("FileNotFoundError")
    return upload


def is_there(upload: Upload, now: datetime) -> bool:
    """All of its bytes came, whether verified by now or not, and it is not gone."""
    if upload.removed or (upload.file_expires_at is not None and upload.file_expires_at <= now):
        return False
    return upload.came

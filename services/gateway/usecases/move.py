"""Moves a file to another folder. Only its name changes: object keys are ours and stay."""

from datetime import datetime, timedelta

from contracts.events import FileRetentionChanged, Stage
from contracts.ids import TenantId, UploadId
from libs.outbox.unit_of_work import UnitOfWork
from services.gateway.domain.error import DestinationTakenError, UploadNotFoundError
from services.gateway.domain.name import is_temporary
from services.gateway.store import UploadStore
from services.gateway.usecases.release import release_name


async def move_file(
    work: UnitOfWork,
    tenant_id: TenantId,
    *,
    folder: str,
    name: str,
    destination: str,
    replaces: UploadId | None,
    now: datetime,
    temporary_for: timedelta,
) -> None:
    """`replaces`: the dead registration (`find_dead`) that holds the name in `destination`.

    Into `temp`: the file is temporary from now on. Out of it: it is kept.

    Raises UploadNotFoundError or DestinationTakenError.
    """
    store = UploadStore(work.connection)
    upload = await store.find_by_name(tenant_id, folder, name, lock=True)
    if upload is None:
        raise UploadNotFoundError
    if folder == destination:
        raise DestinationTakenError
    if replaces is not None:
        await release_name(work, tenant_id, replaces, now)
    temporary = is_temporary(destination)
    file_expires_at = upload.file_expires_at
    if temporary != upload.temporary:
        file_expires_at = now + temporary_for if temporary else None
    revision = await store.move(upload.id, folder=destination, temporary=temporary, file_expires_at=file_expires_at, at=now)
    if revision is None:
        raise DestinationTakenError
    if revision != upload.retention_revision:
        work.emit(
            FileRetentionChanged(
                upload_id=upload.id,
                tenant_id=tenant_id,
                version=Stage.REGISTERED,
                revision=revision,
                file_expires_at=file_expires_at,
            )
        )

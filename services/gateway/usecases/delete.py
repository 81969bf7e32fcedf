"""Gives an upload up on its owner's word."""

from datetime import datetime

from contracts.events import FileDeleteRequested, Stage, UploadAbortRequested
from libs.outbox.unit_of_work import UnitOfWork
from services.gateway.domain.error import StillProcessingError
from services.gateway.domain.upload import Upload
from services.gateway.store import UploadStore


async def delete_upload(upload: Upload, work: UnitOfWork, now: datetime, *, while_busy: bool = False) -> None:
    """Unreadable with the commit; its bytes go soon after. `upload` is locked. Again is fine.

    An upload that is still open is aborted. Should its completion be under way at this moment, the projection notices and
    asks for the deletion then (`handlers.on_upload_completed`).

    Raises StillProcessingError unless `while_busy`.
    """
    if upload.removed:
        return
    if upload.busy and not while_busy:
        raise StillProcessingError
    await UploadStore(work.connection).give_up(upload.id, now)
    if upload.completed_at is None:
        work.emit(UploadAbortRequested(upload_id=upload.id, tenant_id=upload.tenant_id, version=Stage.CLOSED, reason="client"))
    else:
        work.emit(FileDeleteRequested(upload_id=upload.id, tenant_id=upload.tenant_id, version=Stage.REMOVED))

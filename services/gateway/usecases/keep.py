"""Marks a file to be kept for good."""

from datetime import datetime

from contracts.events import FileRetentionChanged, Stage
from libs.outbox.unit_of_work import UnitOfWork
from services.gateway.domain.upload import Upload
from services.gateway.store import ProjectUploadStore


async def keep_file(upload: Upload, work: UnitOfWork, now: datetime) -> Upload:
    """As it is then. `upload` is locked and not removed; its bytes may still be under way. Again is fine."""
    if upload.kept_at is not None:
        return upload
    kept = await ProjectUploadStore(work.connection).keep(upload.id, now)
    work.emit(
        FileRetentionChanged(
            upload_id=kept.id,
            tenant_id=kept.tenant_id,
            version=Stage.REGISTERED,
            revision=kept.retention_revision,
            file_expires_at=None,
        )
    )
    return kept

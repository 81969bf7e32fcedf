"""What the world was told about a session so far: derived from its state alone, so that it can be told again."""

from contracts.events import (
    FileDeleted,
    FileExpired,
    Stage,
    UploadAborted,
    UploadCompleted,
    UploadEvent,
    UploadExpired,
    UploadRejected,
)
from services.session.domain.session import Session, State


def announcements(session: Session) -> tuple[UploadEvent, ...]:
    """In order; at most one closes the upload, and at most one says that its file is gone."""
    closing = _closing(session)
    removal = _removal(session)
    return tuple(event for event in (closing, removal) if event is not None)


def news(before: Session, after: Session) -> tuple[UploadEvent, ...]:
    """What a transition adds to the announcements."""
    return announcements(after)[len(announcements(before)) :]


def _closing(session: Session) -> UploadEvent | None:
    about = {"upload_id": session.upload_id, "tenant_id": session.tenant_id, "version": Stage.CLOSED}
    match session.state:
        case State.COMPLETED | State.REMOVED:
            return UploadCompleted.model_validate(
                about
                | {
                    "object": session.file,
                    "file_name": session.file_name,
                    "transcode": session.transcode,
                    "completed_at": session.completed_at,
                }
            )
        case State.REJECTED:
            return UploadRejected.model_validate(about | {"code": session.reject_code, "message": session.reject_message or ""})
        case State.ABORTED:
            return UploadAborted.model_validate(about | {"reason": session.abort_reason})
        case State.EXPIRED:
            return UploadExpired.model_validate(about)
    return None


def _removal(session: Session) -> UploadEvent | None:
    if session.state is not State.REMOVED:
        return None
    event = FileExpired if session.removal == "expired" else FileDeleted
    return event(upload_id=session.upload_id, tenant_id=session.tenant_id, version=Stage.REMOVED)

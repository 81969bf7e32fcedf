"""What the world was told about a session so far: derived from its state alone, so that it can be told again."""

from contracts.events import (
    FetchedUploadClosed,
    FileDeleted,
    FileExpired,
    Stage,
    UploadAborted,
    UploadCompleted,
    UploadEvent,
    UploadExpired,
    UploadRejected,
)
from services.session.domain.session import OPEN, Session, State


def announcements(session: Session) -> tuple[UploadEvent, ...]:
    """In order: one that closes the upload, one more for whoever fetches its bytes, and one that says that its file is gone."""
    found = (_closing(session), _closing_of_fetched(session), _removal(session))
    return tuple(event for event in found if event is not None)


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


def _closing_of_fetched(session: Session) -> UploadEvent | None:
    if session.transfer != "fetched" or session.state in OPEN:
        return None
    return FetchedUploadClosed(
        upload_id=session.upload_id,
        tenant_id=session.tenant_id,
        version=Stage.CLOSED,
        outcome="completed" if session.state is State.REMOVED else session.state.value,
        size_bytes=session.file.size_bytes if session.file else None,
        code=session.reject_code or session.abort_reason,
        message=session.reject_message or "",
    )


def _removal(session: Session) -> UploadEvent | None:
    if session.state is not State.REMOVED:
        return None
    event = FileExpired if session.removal == "expired" else FileDeleted
    return event(upload_id=session.upload_id, tenant_id=session.tenant_id, version=Stage.REMOVED)

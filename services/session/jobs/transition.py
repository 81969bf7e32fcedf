"""What a job decided, written and told: in the trace of the request that registered the upload."""

from collections.abc import Mapping

from contracts.ids import UploadId
from libs.observability.tracing import span
from libs.outbox.unit_of_work import UnitOfWork
from services.session.domain.announcement import news
from services.session.domain.lane import lane_of
from services.session.domain.session import Session, State
from services.session.handlers import CLEANUP
from services.session.metric import transition
from services.session.store import SessionStore


async def change(work: UnitOfWork, before: Mapping[UploadId, Session], after: Mapping[UploadId, Session]) -> None:
    """Writes those that differ, in one statement, and emits what that announces. `before` must be locked."""
    changed = [(before[key], session) for key, session in after.items() if session != before[key]]
    await SessionStore(work.connection).update([session for _, session in changed])
    for old, new in changed:
        _tell(work, old, new)


def _tell(work: UnitOfWork, before: Session, after: Session) -> None:
    if after.state is not before.state:
        transition(after)
        if after.state is State.STORED and after.staged:
            work.wake(lane_of(after.staged.size_bytes).name)
    if after.cleanup_at != before.cleanup_at:
        work.wake(CLEANUP)
    if events := news(before, after):
        with span(f"session {after.state}", headers={"traceparent": after.traceparent} if after.traceparent else None):
            for event in events:
                work.emit(event)

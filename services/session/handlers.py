"""Events in: each is one fact for the session's state machine."""

from dataclasses import replace
from datetime import UTC, datetime

from contracts.events import (
    FetchFailed,
    FileDeleteRequested,
    FileRetentionChanged,
    ObjectStored,
    UploadAbortRequested,
    UploadEvent,
    UploadFinishRequested,
    UploadRegistered,
)
from libs.outbox.unit_of_work import UnitOfWork
from libs.runtime.service import Handlers
from services.session.domain.announcement import news
from services.session.domain.lane import lane_of
from services.session.domain.session import Session, State, apply
from services.session.metric import transition
from services.session.store import SessionStore

CLEANUP = "cleanup"
"""The wake-up of the cleanup job."""


async def on_fact(event: UploadEvent, work: UnitOfWork) -> None:
    """Applies it to the session, which it creates where it is the first one heard about this upload."""
    store = SessionStore(work.connection)
    now = datetime.now(UTC)
    before = await store.lock(event.upload_id)
    if before is None:
        before = Session(event.upload_id, event.tenant_id)
        after = apply(before, event, now)
        if await store.insert(_traced(after, work)):
            _tell(work, before, after)
            return
        before = await store.lock(event.upload_id) or before
    after = apply(before, event, now)
    if after != before:
        await store.update(_traced(after, work))
        _tell(work, before, after)


HANDLERS: Handlers = {
    UploadRegistered: on_fact,
    ObjectStored: on_fact,
    UploadFinishRequested: on_fact,
    UploadAbortRequested: on_fact,
    FileDeleteRequested: on_fact,
    FileRetentionChanged: on_fact,
    FetchFailed: on_fact,
}


def _traced(session: Session, work: UnitOfWork) -> Session:
    if session.traceparent or work.cause is None:
        return session
    return replace(session, traceparent=work.cause.traceparent)


def _tell(work: UnitOfWork, before: Session, after: Session) -> None:
    """Emits what the transition announces and wakes the job that goes on from here."""
    for event in news(before, after):
        work.emit(event)
    if after.state is not before.state:
        transition(after)
    if after.state is State.STORED and after.staged:
        work.wake(lane_of(after.staged.size_bytes).name)
    if after.cleanup_at != before.cleanup_at:
        work.wake(CLEANUP)

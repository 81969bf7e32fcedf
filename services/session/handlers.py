"""Events in: each is one fact for the session's state machine."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

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
from contracts.ids import UploadId
from libs.messaging.handler import Handlers
from libs.messaging.message import Message
from libs.outbox.unit_of_work import UnitOfWork
from services.session.domain.announcement import news
from services.session.domain.lane import lane_of
from services.session.domain.session import Session, State, apply
from services.session.metric import transition
from services.session.store import SessionStore

CLEANUP = "cleanup"
"""The wake-up of the cleanup job."""


async def on_facts(messages: Sequence[Message[UploadEvent]], work: UnitOfWork) -> None:
    """Applies each to its upload's session, which is created where the first one about an upload was heard."""
    store = SessionStore(work.connection)
    while messages:
        known, now = await store.lock_at([message.event.upload_id for message in messages])
        sessions = dict(known)
        steps = [_step(message, sessions, now) for message in messages]
        inserted = await store.insert([session for key, session in sessions.items() if key not in known])
        await store.update([session for key, session in sessions.items() if key in known and session is not known[key]])
        taken = {session.upload_id for session in sessions.values() if session.upload_id in known} | inserted
        for message, before, after in steps:
            if after is not before and after.upload_id in taken:
                _tell(work, message, before, after)
        # Another transaction created the others meanwhile: now they are known.
        messages = [message for message in messages if message.event.upload_id not in taken]


HANDLERS: Handlers = {
    on_facts: (
        UploadRegistered,
        ObjectStored,
        UploadFinishRequested,
        UploadAbortRequested,
        FileDeleteRequested,
        FileRetentionChanged,
        FetchFailed,
    )
}


def _step(
    message: Message[UploadEvent], sessions: dict[UploadId, Session], now: datetime
) -> tuple[Message[UploadEvent], Session, Session]:
    """The session before and after the message, which becomes the one that is known in `sessions`."""
    event = message.event
    before = sessions.get(event.upload_id) or Session(event.upload_id, event.tenant_id)
    after = apply(before, event, now)
    if after is not before and after.traceparent is None:
        after = replace(after, traceparent=message.envelope.traceparent)
    sessions[event.upload_id] = after
    return message, before, after


def _tell(work: UnitOfWork, message: Message[UploadEvent], before: Session, after: Session) -> None:
    """Emits what the transition announces and wakes the job that goes on from here."""
    for event in news(before, after):
        work.emit(event, cause=message.envelope)
    if after.state is not before.state:
        transition(after)
    if after.state is State.STORED and after.staged:
        work.wake(lane_of(after.staged.size_bytes).name)
    if after.cleanup_at != before.cleanup_at:
        work.wake(CLEANUP)

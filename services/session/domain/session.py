"""The state machine of one upload: a fact and a session give the next session.

`REGISTERED → STORED → COMPLETED | REJECTED | ABORTED | EXPIRED`, and `COMPLETED → REMOVED` when the file goes. Facts may come
in any order and any number of times: what comes before the registration waits in an `ANNOUNCED` session, and what comes after
the end changes nothing but the cleaning up. The step from STORED to COMPLETED or REJECTED belongs to the promotion job, so
that no handler decides before all facts at hand were heard. What jobs decide are rules of this module as well.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Literal

from contracts.events import (
    AbortReason,
    Constraints,
    Event,
    FetchFailed,
    FileDeleteRequested,
    FileRetentionChanged,
    ObjectStored,
    StoredObject,
    UploadAbortRequested,
    UploadFinishRequested,
    UploadRegistered,
)
from contracts.ids import TenantId, UploadId

Removal = Literal["deleted", "expired"]


class State(StrEnum):
    ANNOUNCED = "announced"
    """Something was heard about it, the registration not yet."""
    REGISTERED = "registered"
    STORED = "stored"
    COMPLETED = "completed"
    REJECTED = "rejected"
    ABORTED = "aborted"
    EXPIRED = "expired"
    REMOVED = "removed"
    """It was completed, and its file is gone."""


OPEN: Final = frozenset({State.ANNOUNCED, State.REGISTERED, State.STORED})
FAILED: Final = frozenset({State.REJECTED, State.ABORTED, State.EXPIRED})

LATE_WRITE: Final = timedelta(minutes=10)
"""After the deadline no PUT is under way any more: then the staged key is cleaned for the last time."""
LATE_RENDITION: Final = timedelta(hours=1)
"""After a removal nothing is being derived from the file any more."""


@dataclass(frozen=True)
class Session:
    upload_id: UploadId
    tenant_id: TenantId
    state: State = State.ANNOUNCED
    changed_at: datetime | None = None
    """When it was closed or removed; None while it is open."""
    traceparent: str | None = None
    """Of the request that registered it: what jobs do for it later belongs to the same trace."""

    transfer: str | None = None
    """How the bytes come in, see `contracts.events.Transfer`."""
    staging_key: str | None = None
    multipart_id: str | None = None
    """Of the store's multipart upload under `staging_key`; none is open any more once the session is cleaned."""
    object_key: str | None = None
    constraints: Constraints | None = None
    file_name: str | None = None
    transcode: bool = True
    deadline_at: datetime | None = None

    staged: StoredObject | None = None
    """The newest object known under `staging_key`."""
    file: StoredObject | None = None
    """The promoted object."""
    completed_at: datetime | None = None
    file_expires_at: datetime | None = None
    retention_revision: int = 0

    abort_reason: AbortReason | None = None
    reject_code: str | None = None
    reject_message: str | None = None
    removal: Removal | None = None
    """Why the file goes; set as soon as that is decided, REMOVED once it is done."""
    cleanup_at: datetime | None = None
    """When objects have to be deleted the next time; None: nothing left to delete."""
    cleanups: int = 0
    """How often that was done since the last change."""
    failed_scans: int = 0
    """How often the virus scanner could not scan what is staged, although it answered."""


def apply(session: Session, event: Event, now: datetime) -> Session:
    """The session after `event`; the same object where it changes nothing."""
    return _RULES[type(event)](session, event, now)


def register(session: Session, event: UploadRegistered, now: datetime) -> Session:
    if session.staging_key is not None:
        return session
    known = replace(
        session,
        transfer=event.transfer,
        staging_key=event.staging_key,
        multipart_id=event.multipart_id,
        object_key=event.object_key,
        constraints=event.constraints,
        file_name=event.file_name,
        transcode=event.transcode,
        deadline_at=event.deadline_at,
        file_expires_at=session.file_expires_at if session.retention_revision else event.file_expires_at,
    )
    if session.state is State.ANNOUNCED:
        return replace(known, state=State.STORED if session.staged else State.REGISTERED)
    return to_clean(known, now)


def store(session: Session, event: ObjectStored, now: datetime) -> Session:
    if session.state not in OPEN:
        return session if session.removal else to_clean(session, now)
    staged = max(filter(None, (session.staged, event.object)), key=lambda found: (found.stored_at, found.etag))
    state = State.STORED if session.state is State.REGISTERED else session.state
    return replace(session, staged=staged, state=state)


def finish(session: Session, _event: UploadFinishRequested, _now: datetime) -> Session:
    """That everything was sent is believed when it lies in the store: a hint for those who look there."""
    return session


def abort(session: Session, event: UploadAbortRequested, now: datetime) -> Session:
    if session.state in OPEN:
        return close(replace(session, abort_reason=event.reason), State.ABORTED, now)
    return remove(session, now) if event.reason == "client" else session


def delete(session: Session, _event: FileDeleteRequested, now: datetime) -> Session:
    if session.state in OPEN:
        return close(replace(session, abort_reason="client"), State.ABORTED, now)
    return remove(session, now)


def retain(session: Session, event: FileRetentionChanged, _now: datetime) -> Session:
    """The highest revision wins; nothing brings back a file whose removal has begun."""
    if event.revision <= session.retention_revision or session.removal:
        return session
    return replace(session, retention_revision=event.revision, file_expires_at=event.file_expires_at)


def fail_fetch(session: Session, event: FetchFailed, now: datetime) -> Session:
    if session.state not in OPEN:
        return session
    return close(replace(session, reject_code=event.code, reject_message=event.message), State.REJECTED, now)


def close(session: Session, state: State, now: datetime) -> Session:
    return to_clean(replace(session, state=state, changed_at=now), now)


def remove(session: Session, now: datetime) -> Session:
    """The owner wants the file gone: decided now, carried out by the cleanup job."""
    if session.state is not State.COMPLETED or session.removal:
        return session
    return to_clean(replace(session, removal="deleted"), now)


def to_clean(session: Session, now: datetime) -> Session:
    return replace(session, cleanup_at=now, cleanups=0)


def complete(session: Session, file: StoredObject, now: datetime) -> Session:
    """The stored object was verified and promoted. Nothing where somebody else has decided meanwhile."""
    if session.state is not State.STORED:
        return session
    return close(replace(session, file=file, completed_at=now), State.COMPLETED, now)


def reject(session: Session, code: str, message: str, now: datetime) -> Session:
    """The stored object is not what was registered."""
    if session.state is not State.STORED:
        return session
    return close(replace(session, reject_code=code, reject_message=message), State.REJECTED, now)


def await_again(session: Session) -> Session:
    """Neither the stored object nor its copy is there: whatever comes until the deadline counts.

    What was staged is kept: when the same bytes come again their announcement has an id that was handled already, and the
    deadline job finds them.
    """
    return replace(session, state=State.REGISTERED) if session.state is State.STORED else session


def restore(session: Session) -> Session:
    """What was announced, vanished and came back."""
    return replace(session, state=State.STORED) if session.state is State.REGISTERED else session


def expire(session: Session, now: datetime) -> Session:
    """Nothing came before the deadline."""
    return close(session, State.EXPIRED, now) if session.state is State.REGISTERED else session


def end_retention(session: Session, now: datetime) -> Session:
    """The file's time is over."""
    if session.state is not State.COMPLETED or session.removal:
        return session
    return to_clean(replace(session, removal="expired"), now)


def cleaned(session: Session, now: datetime) -> Session:
    """Once more everything was deleted that must not lie in the store: a file that was to go is gone."""
    following = replace(session, cleanup_at=next_cleanup(session, now), cleanups=session.cleanups + 1)
    if session.removal and session.state is not State.REMOVED:
        return replace(following, state=State.REMOVED, changed_at=now)
    return following


def doomed_keys(session: Session) -> list[str]:
    """What of a closed session must not lie in the store: an accepted file stays, its staged copy does not."""
    keys = (session.staging_key,) if session.state is State.COMPLETED else (session.staging_key, session.object_key)
    return [key for key in keys if key]


def next_cleanup(session: Session, now: datetime) -> datetime | None:
    """Everything is deleted twice: whatever was being written during the first time is caught by the second."""
    if session.cleanups > 0:
        return None
    if session.removal:
        return now + LATE_RENDITION
    return max(session.deadline_at or now, now) + LATE_WRITE


_RULES: Final[Mapping[type[Event], Callable[[Session, Any, datetime], Session]]] = {
    UploadRegistered: register,
    ObjectStored: store,
    UploadFinishRequested: finish,
    UploadAbortRequested: abort,
    FileDeleteRequested: delete,
    FileRetentionChanged: retain,
    FetchFailed: fail_fetch,
}

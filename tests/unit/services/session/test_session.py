"""The state machine: every order and every repetition of the facts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.events import (
    Constraints,
    Event,
    FetchFailed,
    FileDeleteRequested,
    FileRetentionChanged,
    ObjectStored,
    Stage,
    StoredObject,
    UploadAborted,
    UploadAbortRequested,
    UploadEvent,
    UploadFinishRequested,
    UploadRegistered,
    UploadRejected,
)
from contracts.ids import TenantId, new_upload_id
from services.session.domain.announcement import announcements, news
from services.session.domain.session import FAILED, OPEN, Session, State, apply, doomed_keys, next_cleanup

NOW = datetime(2026, 11, 20, tzinfo=UTC)
UPLOAD, TENANT = new_upload_id(), TenantId(new_upload_id())
ABOUT = {"upload_id": UPLOAD, "tenant_id": TENANT, "version": 1}
NEW = Session(UPLOAD, TENANT)


def stored(etag: str, seconds: int) -> ObjectStored:
    found = StoredObject(key="staging/u/t", size_bytes=5, etag=etag, stored_at=NOW + timedelta(seconds=seconds))
    return ObjectStored.model_validate(ABOUT | {"object": found, "noticed_by": "notification"})


def retained(revision: int) -> FileRetentionChanged:
    return FileRetentionChanged.model_validate(
        ABOUT | {"revision": revision, "file_expires_at": NOW + timedelta(days=revision)}
    )


REGISTERED = UploadRegistered.model_validate(
    ABOUT
    | {
        "dialect": "eachlabs",
        "staging_key": "staging/u/t",
        "object_key": "files/u/original",
        "constraints": Constraints(max_size_bytes=10),
        "registered_at": NOW,
        "url_expires_at": NOW,
        "deadline_at": NOW + timedelta(hours=1),
        "file_expires_at": NOW + timedelta(days=30),
    }
)
ABORT_CLIENT = UploadAbortRequested.model_validate(ABOUT | {"reason": "client"})
ABORT_REPLACED = UploadAbortRequested.model_validate(ABOUT | {"reason": "replaced"})
DELETE = FileDeleteRequested.model_validate(ABOUT)
FETCH_FAILED = FetchFailed.model_validate(ABOUT | {"code": "timeout", "message": "too slow"})
HARMLESS: tuple[UploadEvent, ...] = (
    REGISTERED,
    stored("one", 1),
    stored("two", 2),
    stored("three", 2),
    retained(1),
    retained(2),
    retained(3),
    UploadFinishRequested.model_validate(ABOUT),
)
ENDING: tuple[UploadEvent, ...] = (ABORT_CLIENT, ABORT_REPLACED, DELETE, FETCH_FAILED)


def run(events: list[UploadEvent], start: Session = NEW) -> Session:
    return reduce(lambda session, event: apply(session, event, NOW), events, start)


def outcome(session: Session) -> Session:
    """Without what only says when to clean up: that depends on when something was left behind."""
    return replace(session, cleanup_at=None, cleanups=0)


@st.composite
def repeated_and_shuffled(draw: st.DrawFn, events: tuple[UploadEvent, ...]) -> list[UploadEvent]:
    repeated = [event for event in events for _ in range(draw(st.integers(1, 3)))]
    return draw(st.permutations(repeated))


@given(st.data(), st.sets(st.sampled_from(range(len(HARMLESS)))))
def test_any_order_and_repetition_of_the_same_facts_ends_in_the_same_session(data: st.DataObject, chosen: set[int]) -> None:
    facts = tuple(HARMLESS[index] for index in sorted(chosen))
    assert run(data.draw(repeated_and_shuffled(facts))) == run(list(facts))


@given(st.data(), st.sampled_from(ENDING))
def test_one_ending_wins_wherever_it_comes(data: st.DataObject, ending: UploadEvent) -> None:
    facts = (*HARMLESS[:4], ending)
    assert run(data.draw(repeated_and_shuffled(facts))).state is run([ending]).state
    assert run([ending]).state in FAILED


@given(st.data())
def test_of_several_endings_exactly_one_is_announced(data: st.DataObject) -> None:
    session, told = NEW, list[Event]()
    for event in data.draw(repeated_and_shuffled((*HARMLESS, *ENDING))):
        after = apply(session, event, NOW)
        told += news(session, after)
        session = after
    assert len(told) == 1
    assert tuple(told) == announcements(session)


@given(st.data())
def test_after_completion_nothing_but_a_deletion_changes_the_session(data: st.DataObject) -> None:
    done = completed()
    facts = (*HARMLESS[:4], ABORT_REPLACED, FETCH_FAILED)
    assert outcome(run(data.draw(repeated_and_shuffled(facts)), done)) == outcome(done)
    for deletion in (DELETE, ABORT_CLIENT):
        after = run([*data.draw(repeated_and_shuffled(facts)), deletion], done)
        assert (after.state, after.removal, after.cleanup_at) == (State.COMPLETED, "deleted", NOW)


def completed() -> Session:
    file = StoredObject(key="files/u/original", size_bytes=5, etag="e", stored_at=NOW)
    before = run([REGISTERED, stored("one", 1)])
    return replace(before, state=State.COMPLETED, file=file, completed_at=NOW, changed_at=NOW)


def test_the_newest_object_and_the_highest_revision_count() -> None:
    session = run(list(HARMLESS))
    assert session.state is State.STORED
    assert session.staged is not None and session.staged.etag == "two"
    assert (session.retention_revision, session.file_expires_at) == (3, NOW + timedelta(days=3))


def test_a_failed_fetch_rejects_with_its_reason() -> None:
    (event,) = announcements(run([REGISTERED, FETCH_FAILED]))
    assert isinstance(event, UploadRejected)
    assert (event.code, event.message, event.version) == ("timeout", "too slow", Stage.CLOSED)


def test_deleting_what_was_never_completed_aborts_it_for_good() -> None:
    session = run([DELETE, REGISTERED, stored("one", 1)])
    assert session.state is State.ABORTED
    (event,) = announcements(session)
    assert isinstance(event, UploadAborted) and event.reason == "client"


def test_bytes_that_come_after_the_end_are_cleaned() -> None:
    session = replace(run([REGISTERED, ABORT_CLIENT]), cleanup_at=None, cleanups=2)
    after = run([stored("late", 9)], session)
    assert (after.cleanup_at, after.cleanups) == (NOW, 0)
    assert doomed_keys(after) == ["staging/u/t", "files/u/original"]
    assert doomed_keys(completed()) == ["staging/u/t"]


def test_everything_is_cleaned_twice() -> None:
    session = run([REGISTERED, ABORT_CLIENT])
    again = next_cleanup(session, NOW)
    assert again is not None and again > REGISTERED.deadline_at
    assert next_cleanup(replace(session, cleanups=1), NOW) is None


def test_retention_cannot_bring_back_what_is_being_removed() -> None:
    session = run([DELETE], completed())
    assert run([retained(9)], session) == session


@pytest.mark.parametrize("state", sorted(OPEN))
def test_an_open_session_has_nothing_to_announce(state: State) -> None:
    assert announcements(replace(NEW, state=state)) == ()

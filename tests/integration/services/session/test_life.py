"""Deadlines, aborts, deletion, retention and what is said again."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts.events import Event, FileDeleteRequested, FileRetentionChanged, Stage, UploadAbortRequested, UploadRegistered
from libs.object_store.port import StoreUnavailableError
from services.session.domain.session import State
from services.session.jobs.cleanup import LEASE
from tests.integration.services.session.conftest import GRACE, Sessions, chunks, registered_event, stored_event


async def complete(sessions: Sessions, **changes: Any) -> UploadRegistered:
    registered = registered_event(**changes)
    await sessions.hear(registered, stored_event(registered, await sessions.put(registered, b"bytes")))
    await sessions.promotion().once()
    await sessions.cleanup.once()
    return registered


async def rendition(sessions: Sessions, registered: UploadRegistered, name: str = "thumbnail.jpg") -> None:
    key = f"files/{registered.upload_id}/renditions/{name}"
    await sessions.store.write(key, chunks(b"derived"), content_type="image/jpeg")


def about(registered: UploadRegistered, event_class: type[Event], **values: object) -> Event:
    ids = {"upload_id": registered.upload_id, "tenant_id": registered.tenant_id, "version": Stage.REGISTERED}
    return event_class.model_validate(ids | values)


async def test_an_upload_without_bytes_expires_at_its_deadline(sessions: Sessions) -> None:
    registered, later = registered_event(), registered_event()
    await sessions.hear(registered, later)
    assert not await sessions.deadline.once()
    await sessions.change(registered, "deadline_at = now()")

    assert await sessions.deadline.once()

    assert await sessions.names_told(registered) == ["UploadExpired"]
    assert await sessions.names_told(later) == []


async def test_a_late_object_at_the_deadline_is_left_to_its_announcement(sessions: Sessions) -> None:
    registered = registered_event()
    await sessions.hear(registered)
    found = await sessions.put(registered, b"bytes")
    await sessions.change(registered, "deadline_at = now()")

    await sessions.deadline.once()
    assert await sessions.told(registered) == []
    assert not await sessions.deadline.once(), "postponed"
    await sessions.hear(stored_event(registered, found))
    await sessions.promotion().once()

    assert await sessions.names_told(registered) == ["UploadCompleted"]


async def test_an_expired_upload_stays_expired(sessions: Sessions) -> None:
    registered = registered_event()
    await sessions.hear(registered)
    await sessions.change(registered, "deadline_at = now()")
    await sessions.deadline.once()

    await sessions.hear(stored_event(registered, await sessions.put(registered, b"bytes")))
    assert not await sessions.promotion().once()
    await sessions.cleanup.once()

    assert await sessions.names_told(registered) == ["UploadExpired"]
    assert await sessions.keys() == []


@pytest.mark.parametrize("reason", ["client", "replaced"])
async def test_an_abort_before_completion_is_final_and_leaves_nothing(sessions: Sessions, reason: str) -> None:
    registered = registered_event()
    await sessions.hear(about(registered, UploadAbortRequested, reason=reason))
    await sessions.hear(registered, stored_event(registered, await sessions.put(registered, b"bytes")))

    assert not await sessions.promotion().once()
    await sessions.cleanup.once()

    assert await sessions.names_told(registered) == ["UploadAborted"]
    assert await sessions.keys() == []


async def test_an_abort_by_a_newer_registration_does_not_harm_a_completed_file(sessions: Sessions) -> None:
    registered = await complete(sessions)
    await sessions.hear(about(registered, UploadAbortRequested, reason="replaced"))

    assert not await sessions.cleanup.once()

    assert await sessions.keys() == [registered.object_key]


@pytest.mark.parametrize(("event_class", "values"), [(FileDeleteRequested, {}), (UploadAbortRequested, {"reason": "client"})])
async def test_a_deleted_file_is_gone_with_everything_made_of_it(
    sessions: Sessions, event_class: type[Event], values: dict[str, object]
) -> None:
    registered, other = await complete(sessions), await complete(sessions)
    await rendition(sessions, registered, "hls/720p/00001.ts")
    await sessions.hear(about(registered, event_class, **values))

    await sessions.cleanup.once()

    assert await sessions.names_told(registered) == ["UploadCompleted", "FileDeleted"]
    assert await sessions.keys() == [other.object_key]
    assert (await sessions.session(registered)).state is State.REMOVED


async def test_an_object_that_cannot_be_deleted_holds_up_nothing_else_and_is_tried_less_and_less_often(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    aborted = [registered_event() for _ in range(4)]
    for registered in aborted:
        await sessions.hear(registered, about(registered, UploadAbortRequested, reason="client"))
        await sessions.put(registered, b"bytes")
    stuck, delete = aborted[1], sessions.store.delete

    async def refuse_one(keys: Sequence[str]) -> None:
        if stuck.staging_key in keys:
            raise StoreUnavailableError("AccessDenied")
        await delete(keys)

    monkeypatch.setattr(sessions.store, "delete", refuse_one)
    await sessions.cleanup.once()
    assert await sessions.keys() == [stuck.staging_key]
    assert [(await sessions.session(registered)).cleanups for registered in aborted] == [1, 0, 1, 1]

    await sessions.change(stuck, "cleanup_at = now()")
    assert not await sessions.cleanup.once()
    postponed = (await sessions.session(stuck)).cleanup_at
    assert postponed is not None
    assert postponed > datetime.now(UTC) + LEASE

    monkeypatch.undo()
    await sessions.change(stuck, "cleanup_at = now()")
    await sessions.cleanup.once()
    assert await sessions.keys() == []


async def test_a_file_whose_time_is_over_is_really_removed(sessions: Sessions) -> None:
    # E-13, J-10
    registered = await complete(sessions, file_expires_at=datetime.now(UTC) - GRACE)
    kept = await complete(sessions, file_expires_at=datetime.now(UTC) + timedelta(days=30))
    forever = await complete(sessions)
    await rendition(sessions, registered)

    assert await sessions.retention.once()
    await sessions.cleanup.once()

    assert await sessions.names_told(registered) == ["UploadCompleted", "FileExpired"]
    assert sorted(await sessions.keys()) == sorted([kept.object_key, forever.object_key])
    assert not await sessions.retention.once()


async def test_a_removal_survives_a_kill_and_catches_what_was_written_meanwhile(sessions: Sessions) -> None:
    registered = await complete(sessions, file_expires_at=datetime.now(UTC) - GRACE)
    await sessions.retention.once()
    async with sessions.outbox.database.connection() as connection:  # claimed, then killed
        await connection.execute("UPDATE sessions SET cleanup_at = now() + interval '60 s'")
    assert not await sessions.cleanup.once()
    await sessions.change(registered, "cleanup_at = now()")
    await sessions.cleanup.once()
    await rendition(sessions, registered)

    await sessions.change(registered, "cleanup_at = now()")
    await sessions.cleanup.once()

    assert await sessions.names_told(registered) == ["UploadCompleted", "FileExpired"]
    assert await sessions.keys() == []
    assert (await sessions.session(registered)).cleanup_at is None


async def test_a_file_that_was_kept_in_its_last_moment_is_not_removed(sessions: Sessions) -> None:
    # U-03, E-13: its owner was told so; what says it here may come late
    registered = await complete(sessions, file_expires_at=datetime.now(UTC) - GRACE + timedelta(seconds=30))
    assert not await sessions.retention.once()

    await sessions.hear(about(registered, FileRetentionChanged, revision=1, file_expires_at=None))

    assert not await sessions.retention.once()
    await sessions.cleanup.once()
    assert await sessions.names_told(registered) == ["UploadCompleted"]
    assert await sessions.keys() == [registered.object_key]


async def test_the_latest_retention_counts_even_if_it_comes_first(sessions: Sessions) -> None:
    # E-13
    registered = registered_event(file_expires_at=datetime.now(UTC) - GRACE)
    await sessions.hear(
        about(registered, FileRetentionChanged, revision=2, file_expires_at=None),
        about(registered, FileRetentionChanged, revision=1, file_expires_at=datetime.now(UTC) - GRACE),
        registered,
        stored_event(registered, await sessions.put(registered, b"bytes")),
    )
    await sessions.promotion().once()

    assert not await sessions.retention.once()


async def test_what_ended_long_ago_is_forgotten_and_nothing_else(sessions: Sessions) -> None:
    kept, deleted, new = await complete(sessions), await complete(sessions), await complete(sessions)
    open_, aborted = registered_event(), registered_event()
    await sessions.hear(open_, aborted, about(aborted, UploadAbortRequested, reason="client"))
    await sessions.hear(about(deleted, FileDeleteRequested), about(new, FileDeleteRequested))
    await sessions.cleanup.once()
    for upload in (kept, open_, aborted, deleted):
        await sessions.change(upload, "changed_at = now() - interval '31 days'")

    assert not await sessions.forgetting.once()
    assert await sessions.known() == {upload.upload_id for upload in (kept, open_, aborted, deleted, new)}, "not clean yet"

    for upload in (aborted, deleted, new):
        await sessions.change(upload, "cleanup_at = now()")
    await sessions.cleanup.once()
    assert not await sessions.forgetting.once()
    assert await sessions.known() == {upload.upload_id for upload in (kept, open_, new)}

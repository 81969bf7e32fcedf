"""From stored bytes to a completed upload, whatever happens in between."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from contracts.events import Constraints, FileDeleteRequested, Stage, UploadAbortRequested, UploadCompleted, UploadRejected
from libs.object_store.port import ObjectInfo, ObjectStore, StoreUnavailableError
from services.session.domain.session import State
from tests.integration.services.session.conftest import Sessions, registered_event, stored_event


class Killed(BaseException):
    """The process ends here: nothing that follows is done, nothing is tidied up."""


class Interrupted:
    """The store, with something that happens before or after each promotion."""

    def __init__(
        self,
        store: ObjectStore,
        before: Callable[[], Awaitable[None]] | None = None,
        after: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._store = store
        self._before = before
        self._after = after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def promote(self, staged: ObjectInfo, target: str, *, content_type: str | None = None) -> ObjectInfo:
        if self._before:
            await self._before()
        promoted = await self._store.promote(staged, target, content_type=content_type)
        if self._after:
            await self._after()
        return promoted


async def killed() -> None:
    raise Killed


async def unavailable() -> None:
    raise StoreUnavailableError("away")


async def test_stored_bytes_are_verified_promoted_and_announced(sessions: Sessions) -> None:
    # J-14
    registered = registered_event(file_name="cat.png")
    await sessions.hear(registered)
    await sessions.hear(stored_event(registered, await sessions.put(registered, b"bytes")))

    assert await sessions.promotion().once()
    assert await sessions.cleanup.once()

    (completed,) = await sessions.told(registered)
    assert isinstance(completed, UploadCompleted)
    assert completed.object.key == registered.object_key
    assert (completed.object.size_bytes, completed.object.content_type) == (5, "image/png")
    assert completed.file_name == "cat.png"
    assert await sessions.keys() == [registered.object_key]
    assert not await sessions.promotion().once()


async def test_many_uploads_are_promoted_in_one_batch_in_any_order_of_events(sessions: Sessions) -> None:
    uploads = [registered_event() for _ in range(40)]
    stored = [stored_event(registered, await sessions.put(registered, b"bytes")) for registered in uploads]
    await sessions.hear(*stored[:20], *uploads[10:], *stored[:20], *stored[20:], *uploads)

    assert await sessions.promotion().once()

    for registered in uploads:
        assert await sessions.names_told(registered) == ["UploadCompleted"]


@pytest.mark.parametrize(
    ("constraints", "code"),
    [
        (Constraints(max_size_bytes=4), "too_large"),
        (Constraints(max_size_bytes=100, size_bytes=6), "size_mismatch"),
        (Constraints(max_size_bytes=100, content_type="image/gif"), "content_type_mismatch"),
        (Constraints(max_size_bytes=100, content_type="image/png", allowed_types=("image/*",)), "type_forbidden"),
    ],
)
async def test_wrong_bytes_are_rejected_and_deleted(sessions: Sessions, constraints: Constraints, code: str) -> None:
    registered = registered_event(constraints=constraints)
    await sessions.hear(registered, stored_event(registered, await sessions.put(registered, b"bytes")))

    await sessions.promotion().once()
    await sessions.cleanup.once()

    (rejected,) = await sessions.told(registered)
    assert isinstance(rejected, UploadRejected) and rejected.code == code
    assert await sessions.keys() == []


@pytest.mark.parametrize("point", ["before_copy", "after_copy", "before_commit"])
async def test_a_kill_during_promotion_loses_nothing_and_doubles_nothing(
    sessions: Sessions, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered = registered_event()
    await sessions.hear(registered, stored_event(registered, await sessions.put(registered, b"bytes")))

    async def killed_writing(*_arguments: object) -> None:
        raise Killed

    store = Interrupted(
        sessions.store,
        before=killed if point == "before_copy" else None,
        after=killed if point == "after_copy" else None,
    )
    with monkeypatch.context() as patched, pytest.raises(Killed):
        if point == "before_commit":
            patched.setattr(sessions.outbox, "write", killed_writing)
        await sessions.promotion(store).once()
    assert await sessions.told(registered) == []
    assert not await sessions.promotion().once(), "its lease still runs"

    await sessions.change(registered, "promote_at = now()")
    assert await sessions.promotion().once()
    await sessions.cleanup.once()

    assert await sessions.names_told(registered) == ["UploadCompleted"]
    assert await sessions.keys() == [registered.object_key]


async def test_a_lost_connection_at_the_commit_costs_only_another_try(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered = registered_event()
    await sessions.hear(registered, stored_event(registered, await sessions.put(registered, b"bytes")))
    write, tries = sessions.outbox.write, []

    async def lost_once(*arguments: Any) -> None:
        tries.append(arguments)
        if len(tries) == 1:
            raise ConnectionResetError
        await write(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(sessions.outbox, "write", lost_once)
        await sessions.promotion().once()

    assert await sessions.names_told(registered) == ["UploadCompleted"]


async def test_an_ordered_stop_hands_its_leases_back(sessions: Sessions) -> None:
    registered = registered_event()
    await sessions.hear(registered, stored_event(registered, await sessions.put(registered, b"bytes")))
    copying, never = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        copying.set()
        await never.wait()

    stopped = asyncio.create_task(sessions.promotion(Interrupted(sessions.store, before=hang)).once())
    await copying.wait()
    stopped.cancel()
    await asyncio.wait([stopped])

    assert await sessions.promotion().once()
    assert await sessions.names_told(registered) == ["UploadCompleted"]


async def test_a_kill_after_the_commit_leaves_only_cleaning(sessions: Sessions) -> None:
    registered = registered_event()
    await sessions.hear(registered, stored_event(registered, await sessions.put(registered, b"bytes")))
    await sessions.promotion().once()
    await sessions.put(registered, b"again")
    assert sorted(await sessions.keys()) == sorted([registered.object_key, registered.staging_key])

    assert not await sessions.promotion().once()
    assert await sessions.cleanup.once()

    assert await sessions.keys() == [registered.object_key]


async def test_a_copy_whose_source_is_gone_counts_when_it_is_complete(sessions: Sessions) -> None:
    registered = registered_event()
    found = await sessions.put(registered, b"bytes")
    await sessions.hear(registered, stored_event(registered, found))
    await sessions.store.copy(registered.staging_key, registered.object_key, match_etag=found.etag)
    await sessions.store.delete([registered.staging_key])

    await sessions.promotion().once()

    assert await sessions.names_told(registered) == ["UploadCompleted"]


async def test_bytes_that_vanished_are_awaited_again_and_found_when_they_return(sessions: Sessions) -> None:
    registered = registered_event()
    found = await sessions.put(registered, b"bytes")
    await sessions.hear(registered, stored_event(registered, found))
    await sessions.store.delete([registered.staging_key])

    await sessions.promotion().once()
    assert (await sessions.session(registered)).state is State.REGISTERED

    again = await sessions.put(registered, b"bytes")
    await sessions.hear(stored_event(registered, again))
    await sessions.change(registered, f"deadline_at = now(), staged = jsonb_set(staged, '{{etag}}', '\"{again.etag}\"')")
    await sessions.deadline.once()
    await sessions.promotion().once()
    assert await sessions.names_told(registered) == ["UploadCompleted"]


async def test_a_store_that_is_away_postpones_and_never_loses(sessions: Sessions) -> None:
    registered = registered_event()
    await sessions.hear(registered, stored_event(registered, await sessions.put(registered, b"bytes")))

    pauses = []
    for _ in range(9):
        await sessions.promotion(Interrupted(sessions.store, before=unavailable)).once()
        async with sessions.outbox.database.connection() as connection:
            pauses.append(await connection.fetchval("SELECT promote_at - now() FROM sessions"))
        await sessions.change(registered, "promote_at = now()")
    assert [round(pause.total_seconds() + 0.5) for pause in pauses[:2]] in ([1, 2], [1, 3])
    assert max(pauses) <= timedelta(seconds=60)

    await sessions.promotion().once()
    assert await sessions.names_told(registered) == ["UploadCompleted"]


@pytest.mark.parametrize(("second", "told"), [(b"newer", "UploadCompleted"), (b"x" * 2000, "UploadRejected")])
async def test_a_second_put_before_acceptance_is_judged_itself(sessions: Sessions, second: bytes, told: str) -> None:
    registered = registered_event()
    await sessions.hear(registered, stored_event(registered, await sessions.put(registered, b"older")))
    await sessions.put(registered, second)

    await sessions.promotion().once()
    await sessions.cleanup.once()

    assert await sessions.names_told(registered) == [told]
    published = [chunk async for chunk in sessions.store.read(registered.object_key)] if told == "UploadCompleted" else []
    assert published == ([second] if told == "UploadCompleted" else [])
    assert await sessions.keys("staging/") == []


async def test_a_second_put_after_acceptance_changes_nothing_and_is_cleaned(sessions: Sessions) -> None:
    registered = registered_event()
    await sessions.hear(registered, stored_event(registered, await sessions.put(registered, b"first")))
    await sessions.promotion().once()
    await sessions.cleanup.once()

    late = await sessions.put(registered, b"other")
    await sessions.hear(stored_event(registered, late))
    assert not await sessions.promotion().once()
    await sessions.cleanup.once()

    assert await sessions.names_told(registered) == ["UploadCompleted"]
    assert [chunk async for chunk in sessions.store.read(registered.object_key)] == [b"first"]
    assert await sessions.keys("staging/") == []


async def test_an_unannounced_late_put_is_cleaned_after_the_deadline(sessions: Sessions) -> None:
    registered = registered_event()
    await sessions.hear(registered, stored_event(registered, await sessions.put(registered, b"first")))
    await sessions.promotion().once()
    await sessions.cleanup.once()
    await sessions.put(registered, b"other")

    assert (await sessions.session(registered)).cleanup_at == registered.deadline_at + timedelta(minutes=10)
    await sessions.change(registered, "cleanup_at = now()")
    await sessions.cleanup.once()

    assert await sessions.keys() == [registered.object_key]
    assert (await sessions.session(registered)).cleanup_at is None


@pytest.mark.parametrize("request_class", [UploadAbortRequested, FileDeleteRequested])
async def test_an_abort_during_the_copy_wins_and_the_copy_goes(sessions: Sessions, request_class: type[Any]) -> None:
    registered = registered_event()
    await sessions.hear(registered, stored_event(registered, await sessions.put(registered, b"bytes")))

    async def abort() -> None:
        about = {"upload_id": registered.upload_id, "tenant_id": registered.tenant_id, "version": Stage.REGISTERED}
        await sessions.hear(request_class.model_validate(about | {"reason": "client"}))
        await sessions.cleanup.once()  # before the copy lies there

    await sessions.promotion(Interrupted(sessions.store, after=abort)).once()
    await sessions.cleanup.once()

    assert await sessions.names_told(registered) == ["UploadAborted"]
    assert await sessions.keys() == []


async def test_who_lost_the_lease_cannot_complete(sessions: Sessions) -> None:
    registered = registered_event()
    await sessions.hear(registered, stored_event(registered, await sessions.put(registered, b"bytes")))

    async def overtaken() -> None:
        await sessions.change(registered, "promote_at = now()")
        assert await sessions.promotion().once()

    await sessions.promotion(Interrupted(sessions.store, after=overtaken)).once()

    assert await sessions.names_told(registered) == ["UploadCompleted"]


async def test_who_lost_the_lease_does_not_write_a_newer_version_over_the_published_one(sessions: Sessions) -> None:
    registered = registered_event()
    await sessions.hear(registered, stored_event(registered, await sessions.put(registered, b"first")))

    async def overtaken() -> None:
        await sessions.change(registered, "promote_at = now()")
        if await sessions.promotion().once():
            await sessions.put(registered, b"other")

    await sessions.promotion(Interrupted(sessions.store, before=overtaken)).once()

    assert [chunk async for chunk in sessions.store.read(registered.object_key)] == [b"first"]
    assert await sessions.names_told(registered) == ["UploadCompleted"]


async def test_a_long_copy_keeps_its_lease(sessions: Sessions) -> None:
    registered = registered_event()
    await sessions.hear(registered, stored_event(registered, await sessions.put(registered, b"bytes")))

    async def until_renewed() -> None:
        async with sessions.outbox.database.connection() as connection:
            first = await connection.fetchval("SELECT promote_at FROM sessions")
            while await connection.fetchval("SELECT promote_at FROM sessions") == first:
                pass

    await sessions.promotion(Interrupted(sessions.store, before=until_renewed), lease=timedelta(seconds=3)).once()

    assert await sessions.names_told(registered) == ["UploadCompleted"]

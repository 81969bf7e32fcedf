"""Events that say that the bytes lie there: as good as a notice, for stores that send none."""

import asyncio
from collections.abc import Callable
from itertools import permutations

import pytest

from contracts.events import FetchCompleted, Stage, UploadAborted, UploadEvent, UploadFinishRequested, UploadRegistered
from tests.integration.services.storage_notification.conftest import Watcher, registration


def finished(registered: UploadRegistered) -> UploadEvent:
    return UploadFinishRequested(upload_id=registered.upload_id, tenant_id=registered.tenant_id, version=Stage.REGISTERED)


def fetched(registered: UploadRegistered) -> UploadEvent:
    ids = {"upload_id": registered.upload_id, "tenant_id": registered.tenant_id, "version": Stage.REGISTERED}
    return FetchCompleted.model_validate(ids | {"size_bytes": 5})


def aborted(registered: UploadRegistered) -> UploadEvent:
    ids = {"upload_id": registered.upload_id, "tenant_id": registered.tenant_id, "version": Stage.CLOSED}
    return UploadAborted.model_validate(ids | {"reason": "client"})


HINTS = pytest.mark.parametrize(("transfer", "hint"), [("multipart", finished), ("fetched", fetched)])
Hint = Callable[[UploadRegistered], UploadEvent]


async def look(watcher: Watcher) -> list[object]:
    """What is announced after the loop was woken, without waiting for its own pause."""
    async with asyncio.timeout(5):
        await watcher.outbox.wakeups.wait("notices", timeout=60)
    await watcher.notices.once()
    return [event.upload_id for event in await watcher.announced()]


async def test_a_streamed_upload_is_announced_when_it_is_registered(watcher: Watcher) -> None:
    registered = registration(transfer="streamed")
    await watcher.put(registered.staging_key)
    await watcher.hear(registered)
    assert await look(watcher) == [registered.upload_id]
    assert await watcher.rows("SELECT key FROM notices") == []


@HINTS
async def test_what_was_sent_is_announced_when_that_is_said(watcher: Watcher, transfer: str, hint: Hint) -> None:
    registered = registration(transfer=transfer)
    await watcher.hear(registered)
    assert await look(watcher) == []
    await watcher.put(registered.staging_key)
    await watcher.hear(hint(registered))
    assert await look(watcher) == [registered.upload_id]
    assert await watcher.rows("SELECT key FROM notices") == []


@HINTS
async def test_a_hint_before_the_registration_waits_for_it(watcher: Watcher, transfer: str, hint: Hint) -> None:
    registered = registration(transfer=transfer)
    await watcher.put(registered.staging_key)
    await watcher.hear(hint(registered))
    assert not await watcher.notices.once()
    await watcher.hear(registered)
    assert await look(watcher) == [registered.upload_id]


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_after_the_end_a_hint_announces_nothing_in_any_order(watcher: Watcher, order: tuple[int, ...]) -> None:
    registered = registration(transfer="multipart")
    await watcher.put(registered.staging_key)
    events = [registered, finished(registered), aborted(registered)]
    for position in order:
        await watcher.hear(events[position])
    await watcher.notices.once()
    assert await watcher.announced() == []
    assert await watcher.rows("SELECT key FROM notices") == []


async def test_hints_and_registrations_that_come_at_once_lose_nothing(watcher: Watcher) -> None:
    uploads = [registration(transfer="multipart") for _ in range(20)]
    for registered in uploads:
        await watcher.put(registered.staging_key)
    await asyncio.gather(
        *(watcher.hear(registered) for registered in uploads), *(watcher.hear(finished(registered)) for registered in uploads)
    )
    assert sorted(map(str, await look(watcher))) == sorted(str(registered.upload_id) for registered in uploads)


async def test_a_hint_that_is_wrong_leaves_the_object_to_whoever_sees_it(watcher: Watcher) -> None:
    registered = registration(transfer="multipart")
    await watcher.hear(registered, finished(registered), finished(registered))
    assert await look(watcher) == []
    await watcher.put(registered.staging_key)
    await watcher.reconciler().once()
    assert [event.upload_id for event in await watcher.announced()] == [registered.upload_id]


async def test_a_hint_whose_registration_never_came_is_forgotten(watcher: Watcher) -> None:
    await watcher.hear(finished(registration()))
    await watcher.purge.once()
    assert len(await watcher.rows("SELECT 1 FROM expected_objects")) == 1
    await watcher.rows("UPDATE expected_objects SET deadline_at = now() - interval '8 days'")
    await watcher.purge.once()
    assert await watcher.rows("SELECT 1 FROM expected_objects") == []

"""Promotions side by side: none waits for a slow one, tenants take turns, and only the database's clock counts."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from contracts.events import FileDeleteRequested, Stage, UploadAbortRequested, UploadRegistered
from contracts.ids import TenantId
from libs.object_store.port import ObjectInfo
from services.session.domain.session import State
from tests.clock import turn_clock
from tests.integration.services.session.conftest import Sessions, registered_event, stored_event
from tests.integration.services.session.scan import Watched


class Held(Watched):
    """Promotions into it wait: those of `slow`, or each for its `release`."""

    def __init__(self, store: Any, slow: UploadRegistered | None = None) -> None:
        super().__init__(store)
        self.release = asyncio.Semaphore(0)
        self.begun: list[str] = []
        self._slow = slow

    async def promote(self, staged: ObjectInfo, target: str, *, content_type: str | None = None) -> ObjectInfo:
        self.begun.append(target)
        if self._slow is None or target == self._slow.object_key:
            await self.release.acquire()
        return await super().promote(staged, target, content_type=content_type)

    async def has_begun(self, count: int) -> None:
        while len(self.begun) < count:
            await asyncio.sleep(0.01)


async def stored(sessions: Sessions, count: int, tenant_id: TenantId) -> list[UploadRegistered]:
    uploads = [registered_event(tenant_id=tenant_id) for _ in range(count)]
    events = [stored_event(registered, await sessions.put(registered, b"bytes")) for registered in uploads]
    await sessions.hear(*uploads, *events)
    return uploads


async def test_a_slot_is_refilled_while_another_promotion_is_slow(sessions: Sessions) -> None:
    [slow] = await stored(sessions, 1, TenantId(uuid4()))
    store = Held(sessions.store, slow)
    working = asyncio.create_task(sessions.promotion(store, slots=2).run())
    await store.has_begun(1)

    for registered in await stored(sessions, 10, TenantId(uuid4())):
        while (await sessions.session(registered)).state is not State.COMPLETED:
            await asyncio.sleep(0.01)

    assert (await sessions.session(slow)).state is State.STORED
    store.release.release()
    while (await sessions.session(slow)).state is not State.COMPLETED:
        await asyncio.sleep(0.01)
    working.cancel()
    await asyncio.wait([working])


@pytest.mark.parametrize("slots", [1, 3])
async def test_a_tenant_with_many_uploads_does_not_delay_anothers_first(sessions: Sessions, slots: int) -> None:
    await stored(sessions, 30, TenantId(uuid4()))
    store = Held(sessions.store)
    working = asyncio.create_task(sessions.promotion(store, slots=slots).run())
    await store.has_begun(slots)
    [other] = await stored(sessions, 1, TenantId(uuid4()))

    store.release.release()
    await store.has_begun(slots + 1)

    assert store.begun[-1] == other.object_key
    working.cancel()
    await asyncio.wait([working])


@pytest.mark.parametrize("seconds", [-3600, 3600])
async def test_the_clock_of_the_process_does_not_matter(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    turn_clock(monkeypatch, seconds)
    [kept, aborted, deleted] = await stored(sessions, 3, TenantId(uuid4()))
    about = {"upload_id": aborted.upload_id, "tenant_id": aborted.tenant_id, "version": Stage.REGISTERED}
    await sessions.hear(UploadAbortRequested.model_validate(about | {"reason": "client"}))

    # What is due is done at once
    assert await sessions.promotion().once()
    await sessions.hear(FileDeleteRequested.model_validate(about | {"upload_id": deleted.upload_id}))
    assert await sessions.cleanup.once()

    assert await sessions.keys() == [kept.object_key]
    assert await sessions.names_told(deleted) == ["UploadCompleted", "FileDeleted"]
    # And what is not due is not
    assert not await sessions.cleanup.once()
    async with sessions.outbox.database.connection() as connection:
        columns = "cleanup_at - deadline_at AS after_deadline, cleanup_at - now() AS in_time, completed_at - now() AS completed"
        rows = await connection.fetch(f"SELECT upload_id, {columns} FROM sessions")
    found = {row["upload_id"]: row for row in rows}
    assert [found[one.upload_id]["after_deadline"].total_seconds() for one in (kept, aborted)] == [600, 600]
    assert 3500 < found[deleted.upload_id]["in_time"].total_seconds() <= 3600
    assert abs(found[kept.upload_id]["completed"].total_seconds()) < 600

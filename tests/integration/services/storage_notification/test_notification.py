"""Notices from the store: duplicated, reordered, early, malformed, lying."""

import asyncio
import random
from datetime import timedelta
from typing import Any

from contracts.events import Stage, UploadAborted
from libs.object_store.port import StoreUnavailableError
from services.storage_notification.usecases import StorageNotification
from tests.integration.services.storage_notification.conftest import (
    Watcher,
    completion,
    records,
    registration,
    s3_record,
)


async def test_a_notice_about_an_expected_object_announces_what_the_store_says(watcher: Watcher) -> None:
    # J-14
    registered = registration()
    await watcher.hear(registered)
    found = await watcher.put(registered.staging_key)

    await watcher.notification.receive(records(s3_record(registered.staging_key)))

    (stored,) = await watcher.announced()
    assert stored.upload_id == registered.upload_id
    assert (stored.object.size_bytes, stored.object.etag, stored.object.content_type) == (5, found.etag, "image/png")
    assert stored.noticed_by == "notification"


async def test_each_stored_version_is_announced_once(watcher: Watcher) -> None:
    registered = registration()
    await watcher.hear(registered)
    etags = []
    for content in (b"one", b"two"):
        etags.append((await watcher.put(registered.staging_key, content)).etag)
        notice = records(s3_record(registered.staging_key))
        await asyncio.gather(*(watcher.notification.receive(notice) for _ in range(10)))

    assert [event.object.etag for event in await watcher.announced()] == etags


async def test_shuffled_repeated_and_broken_notices_announce_every_object_once(watcher: Watcher) -> None:
    expected = [registration() for _ in range(40)]
    await watcher.hear(*expected)
    for registered in expected:
        await watcher.put(registered.staging_key)
    good = [s3_record(registered.staging_key) for registered in expected]
    broken: list[object] = [None, 7, {}, {"s3": None}, s3_record(""), {"s3": {"bucket": {"name": "storage"}}}]
    everything = good * 3 + broken * 4 + [s3_record(good_key, "other-bucket") for good_key in ("staging/a/b",)]
    random.Random(7).shuffle(everything)

    receipts = await asyncio.gather(
        *(watcher.notification.receive(records(*everything[start : start + 9])) for start in range(0, len(everything), 9))
    )

    assert sorted(str(event.upload_id) for event in await watcher.announced()) == sorted(str(r.upload_id) for r in expected)
    assert sum(receipt.malformed for receipt in receipts) == len(broken) * 4


async def test_a_notice_before_the_object_is_there_says_nothing(watcher: Watcher) -> None:
    registered = registration()
    await watcher.hear(registered)

    await watcher.notification.receive(records(s3_record(registered.staging_key)))

    assert await watcher.announced() == []


async def test_an_early_notice_is_used_when_the_registration_arrives(watcher: Watcher) -> None:
    registered = registration()
    await watcher.put(registered.staging_key)
    await watcher.notification.receive(records(s3_record(registered.staging_key)))
    assert not await watcher.notices.once()
    assert await watcher.announced() == []

    await watcher.hear(registered)
    async with asyncio.timeout(5):
        await watcher.outbox.wakeups.wait("notices", timeout=60)
    await watcher.notices.once()

    assert [event.upload_id for event in await watcher.announced()] == [registered.upload_id]
    assert await watcher.rows("SELECT key FROM notices") == []


async def test_a_notice_is_kept_while_the_store_does_not_answer(watcher: Watcher) -> None:
    registered = registration()
    await watcher.hear(registered)
    await watcher.put(registered.staging_key)
    broken = StorageNotification(watcher.outbox, _Away())  # type: ignore[arg-type]

    await broken.receive(records(s3_record(registered.staging_key)))
    assert await watcher.announced() == []
    await watcher.rows("UPDATE notices SET due_at = now() - $1::interval", timedelta(seconds=1))
    await watcher.notices.once()

    assert [event.upload_id for event in await watcher.announced()] == [registered.upload_id]


async def test_a_notice_is_kept_while_the_store_takes_too_long(watcher: Watcher) -> None:
    registered = registration()
    await watcher.hear(registered)
    await watcher.put(registered.staging_key)
    hanging = StorageNotification(watcher.outbox, _Hanging(), answer_within=timedelta(milliseconds=50))  # type: ignore[arg-type]

    receipt = await hanging.receive(records(s3_record(registered.staging_key)))
    assert receipt.accepted == 1
    await watcher.rows("UPDATE notices SET due_at = now() - $1::interval", timedelta(seconds=1))
    await watcher.notices.once()

    assert [event.upload_id for event in await watcher.announced()] == [registered.upload_id]


async def test_after_the_end_of_an_upload_nothing_is_announced(watcher: Watcher) -> None:
    registered = registration()
    await watcher.hear(registered)
    found = await watcher.put(registered.staging_key)
    await watcher.hear(completion(registered, found))

    await watcher.notification.receive(records(s3_record(registered.staging_key)))
    await watcher.reconciler().once()

    assert await watcher.announced() == []


async def test_an_end_before_the_registration_leaves_nothing_expected(watcher: Watcher) -> None:
    registered = registration()
    await watcher.put(registered.staging_key)
    ended = UploadAborted(upload_id=registered.upload_id, tenant_id=registered.tenant_id, version=Stage.CLOSED, reason="client")
    await watcher.hear(ended)
    await watcher.hear(registered)

    await watcher.notification.receive(records(s3_record(registered.staging_key)))
    await watcher.reconciler().once()
    assert await watcher.announced() == []

    await watcher.rows("UPDATE expected_objects SET closed_at = now() - interval '3 days'")
    await watcher.purge.once()
    assert await watcher.rows("SELECT * FROM expected_objects") == []


class _Hanging:
    async def stat(self, key: str) -> Any:
        await asyncio.Event().wait()


class _Away:
    async def stat(self, key: str) -> Any:
        raise StoreUnavailableError(key)

"""What the reconciler finds when the store said nothing."""

from datetime import timedelta
from uuid import uuid4

from libs.object_store.port import ObjectInfo
from tests.integration.services.storage_notification.conftest import Watcher, completion, records, registration, s3_record


async def test_without_any_notice_every_object_is_announced(watcher: Watcher) -> None:
    expected = [registration() for _ in range(20)]
    await watcher.hear(*expected)
    for registered in expected[:15]:
        await watcher.put(registered.staging_key)

    await watcher.reconciler().once()
    await watcher.reconciler().once()

    announced = await watcher.announced()
    assert {event.upload_id for event in announced} == {registered.upload_id for registered in expected[:15]}
    assert len(announced) == 15
    assert {event.noticed_by for event in announced} == {"reconciler"}
    assert {event.object.content_type for event in announced} == {"image/png"}


async def test_a_young_object_is_left_to_its_notification(watcher: Watcher) -> None:
    registered = registration()
    await watcher.hear(registered)
    await watcher.put(registered.staging_key)

    await watcher.reconciler(grace=timedelta(minutes=5)).once()
    assert await watcher.announced() == []
    await watcher.notification.receive(records(s3_record(registered.staging_key)))
    await watcher.reconciler().once()

    assert [event.noticed_by for event in await watcher.announced()] == ["notification"]


async def test_an_announcement_that_led_to_nothing_is_made_again_with_the_same_id(watcher: Watcher) -> None:
    registered = registration()
    await watcher.hear(registered)
    await watcher.put(registered.staging_key)
    await watcher.reconciler().once()
    first = await watcher.announced()
    await watcher.rows("DELETE FROM outbox")

    await watcher.reconciler().once()
    assert await watcher.announced() == []
    await watcher.rows("UPDATE expected_objects SET announced_at = now() - interval '3 minutes'")
    await watcher.reconciler().once()

    assert [event.event_id for event in await watcher.announced()] == [event.event_id for event in first]


async def test_strays_of_ended_uploads_go_after_a_day_and_expected_objects_stay(watcher: Watcher) -> None:
    registered, ended = registration(), registration()
    await watcher.hear(registered, ended)
    await watcher.put(registered.staging_key)
    await watcher.hear(completion(ended, await watcher.put(ended.staging_key)))
    await watcher.reconciler().once()
    assert len(await _staged(watcher)) == 2
    await watcher.reconciler(stray_age=timedelta(0)).once()

    assert await _staged(watcher) == [registered.staging_key]


async def test_bytes_whose_registration_is_still_under_way_outlive_a_long_outage_of_the_bus(watcher: Watcher) -> None:
    registered = registration()
    await watcher.put(registered.staging_key)

    await watcher.reconciler(stray_age=timedelta(0)).once()
    await watcher.hear(registered)
    await watcher.reconciler(stray_age=timedelta(0)).once()

    assert [event.upload_id for event in await watcher.announced()] == [registered.upload_id]


async def test_what_nobody_ever_registered_goes_in_the_end(watcher: Watcher) -> None:
    registered = registration()
    await watcher.hear(registered)
    await watcher.put(registered.staging_key)
    await watcher.put(f"staging/{uuid4()}/token")

    await watcher.reconciler(stray_age=timedelta(0), unknown_age=timedelta(0)).once()

    assert await _staged(watcher) == [registered.staging_key]


async def test_one_replica_scans_at_a_time(watcher: Watcher) -> None:
    registered = registration()
    await watcher.hear(registered)
    await watcher.put(registered.staging_key)
    await watcher.rows("INSERT INTO leases VALUES ('reconciler', $1, now() + interval '1 minute')", uuid4())

    await watcher.reconciler().once()
    assert await watcher.announced() == []
    await watcher.rows("UPDATE leases SET expires_at = now() - interval '1 second'")
    await watcher.reconciler().once()

    assert len(await watcher.announced()) == 1


async def _staged(watcher: Watcher) -> list[str]:
    return [found.key async for page in watcher.store.list("staging/") for found in page]


async def test_what_was_announced_is_not_asked_for_in_every_pass(watcher: Watcher) -> None:
    uploads = [registration() for _ in range(3)]
    await watcher.hear(*uploads)
    for registered in uploads:
        await watcher.put(registered.staging_key)
    asked: list[str] = []
    stat = watcher.store.stat

    async def counted(key: str) -> ObjectInfo | None:
        asked.append(key)
        return await stat(key)

    watcher.store.stat = counted  # type: ignore[method-assign]
    for _ in range(3):
        await watcher.reconciler().once()

    assert sorted(asked) == sorted(registered.staging_key for registered in uploads)

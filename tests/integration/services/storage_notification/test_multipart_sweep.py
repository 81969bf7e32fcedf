"""Multipart uploads that nobody will finish: their process died, or their upload ended without them."""

from datetime import timedelta

from contracts.events import Stage, UploadAborted
from services.storage_notification.jobs import MultipartSweep
from tests.integration.services.storage_notification.conftest import Watcher, registration


async def begin(watcher: Watcher, key: str) -> str:
    return await watcher.store.start_multipart(key, content_type="image/png")


async def sweep(watcher: Watcher, stray_age: timedelta = timedelta(0)) -> set[str]:
    """What is still open afterwards."""
    assert not await MultipartSweep(watcher.outbox, watcher.store, stray_age=stray_age).once()
    return {found.multipart_id async for page in watcher.store.list_multiparts("") for found in page}


async def test_the_multipart_upload_of_an_open_upload_is_kept_however_old(watcher: Watcher) -> None:
    registered = registration(transfer="multipart")
    multipart_id = await begin(watcher, registered.staging_key)
    await watcher.hear(registered)
    assert await sweep(watcher) == {multipart_id}


async def test_an_old_one_that_nobody_registered_is_aborted_and_a_young_one_is_not(watcher: Watcher) -> None:
    multipart_id = await begin(watcher, registration().staging_key)
    assert await sweep(watcher, stray_age=timedelta(hours=1)) == {multipart_id}
    assert await sweep(watcher) == set()


async def test_one_whose_upload_ended_is_aborted(watcher: Watcher) -> None:
    registered = registration(transfer="multipart")
    await begin(watcher, registered.staging_key)
    ids = {"upload_id": registered.upload_id, "tenant_id": registered.tenant_id, "version": Stage.CLOSED}
    await watcher.hear(registered, UploadAborted.model_validate(ids | {"reason": "client"}))
    assert await sweep(watcher) == set()


async def test_a_write_of_our_own_that_was_killed_is_aborted_and_strange_ones_are_left_alone(watcher: Watcher) -> None:
    await begin(watcher, "files/1/renditions/hls/1.ts")
    strange = await begin(watcher, "backup/1")
    assert await sweep(watcher) == {strange}

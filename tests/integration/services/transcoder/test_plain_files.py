"""Files without an inner structure of interest are done after a look at their first bytes."""

import asyncio
from pathlib import Path

import pytest

from contracts.events import FileInspected, ProcessingCompleted, ProcessingFailed, Stage
from tests.integration.services.transcoder.rig import TRACE, Rig, only, running, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    ("content", "declared", "actual"),
    [
        (b"hello\n", "text/plain", "text/plain"),
        (b"<html></html>", None, "text/html"),
        (b"", "application/octet-stream", "application/octet-stream"),
        (bytes(100_000), None, "application/octet-stream"),
        (b"PK\x05\x06" + bytes(18), "application/zip", "application/zip"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>", "image/svg+xml", "image/svg+xml"),
    ],
    ids=["text", "html", "empty", "zeros", "zip", "svg"],
)
async def test_plain_file_is_completed_without_renditions(rig: Rig, content: bytes, declared: str | None, actual: str) -> None:
    events = await rig.processed(content, declared)

    inspected, completed = only(events, FileInspected), only(events, ProcessingCompleted)
    assert (inspected.mime_type, inspected.size_bytes, inspected.version) == (actual, len(content), Stage.INSPECTED)
    assert (completed.mime_type, completed.renditions, completed.version) == (actual, (), Stage.PROCESSED)


@pytest.mark.parametrize("declared", ["text/plain", None])
@pytest.mark.parametrize(
    "content", [b"GIF89a was a format\n", b"ID3 is a tag format\n" * 20, b"G" * 1000, b"abcdftypisom,text\n"]
)
async def test_a_text_that_begins_like_media_is_a_text(rig: Rig, content: bytes, declared: str | None) -> None:
    events = await rig.processed(content, declared)

    actual = declared or "application/octet-stream"
    assert (only(events, FileInspected).mime_type, only(events, ProcessingCompleted).mime_type) == (actual, actual)


async def test_declared_media_that_is_none_fails_for_good(rig: Rig) -> None:
    upload = await rig.upload(b"just words", "video/mp4")

    failed = only(await rig.ended(upload), ProcessingFailed)

    assert (failed.code, failed.mime_type) == ("content_type_mismatch", "text/plain")
    assert (await rig.job(upload))["state"] == "failed"


async def test_events_continue_the_trace_of_the_message_that_asked(rig: Rig) -> None:
    upload = await rig.upload(b"hello")
    await rig.ended(upload)

    for envelope in await rig.envelopes(upload):
        assert envelope.correlation_id == TRACE
        assert envelope.causation_id == str(upload.event_id)
        assert envelope.source == "transcoder"


async def test_a_repeated_message_starts_nothing_new(rig: Rig) -> None:
    upload = await rig.upload(b"hello")
    await rig.ended(upload)

    await rig.handle(upload)

    assert (await rig.job(upload))["attempts"] == 1
    assert (await rig.job(upload))["state"] == "completed"


async def test_a_file_removed_first_is_never_processed(rig: Rig) -> None:
    removed = await rig.put(b"gone")
    await rig.delete(removed)
    await rig.handle(removed)

    await rig.processed(b"a later file")

    assert (await rig.job(removed))["state"] == "removed"
    assert await rig.envelopes(removed) == []


async def test_many_small_files_are_done_together(rig: Rig) -> None:
    uploads = await asyncio.gather(*(rig.put(b"file %d" % number) for number in range(120)))
    for upload in uploads:
        await rig.handle(upload)

    for upload in uploads:
        only(await rig.ended(upload), ProcessingCompleted)


async def test_an_object_that_is_not_there_is_given_up_after_three_attempts(database_dsn: str, tmp_path: Path) -> None:
    async with running(database_dsn, tmp_path) as rig:
        upload = await rig.put(b"hello")
        await rig.store.delete([upload.object.key])
        await rig.handle(upload)

        async def tried() -> bool:
            return bool((await rig.job(upload))["attempts"])

        await until(tried)
        async with rig.service.outbox.database.connection() as connection:
            await connection.execute("UPDATE job SET attempts = 3, next_at = now(), lease = NULL")
        rig.service.outbox.wakeups.wake("sniff")

        failed = only(await rig.ended(upload), ProcessingFailed)

    assert failed.code == "internal"
    assert str(tmp_path) not in failed.message

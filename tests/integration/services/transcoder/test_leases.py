"""Jobs survive their workers, and files that are gone leave nothing behind."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from contracts.events import FileInspected, ProcessingCompleted, ProcessingFailed, ProcessingProgressed, UploadCompleted
from contracts.ids import TenantId
from libs.object_store.disk import DiskStore
from libs.object_store.port import StoreUnavailableError
from services.transcoder.adapters.transcoder import Transcoder
from services.transcoder.domain.error import LimitExceededError
from services.transcoder.usecases.cleaning import Cleaner
from tests.integration.services.transcoder import rig as rigs
from tests.integration.services.transcoder.rig import Rig, only, running, until
from tests.integration.services.transcoder.samples import Samples, image

ROOT = Path(__file__).parents[4]


@pytest.fixture
def long_video(samples: Samples) -> bytes:
    """Does not end during a test."""
    return samples.video("long.mp4", size="1280x720", seconds=24)


@pytest.fixture
def video(samples: Samples) -> bytes:
    """Takes long enough to be interrupted, and then some more to end."""
    return samples.video("interrupted.mp4", size="640x360", seconds=10)


@asynccontextmanager
async def other_worker(dsn: str, folder: Path) -> AsyncIterator[subprocess.Popen[bytes]]:
    command = [sys.executable, str(Path(__file__).with_name("worker_process.py")), dsn, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}) as process:
        assert process.stdout is not None
        assert (await asyncio.to_thread(process.stdout.readline)).strip().endswith(b"ready")
        try:
            yield process
        finally:
            process.kill()


async def transcoding(rig: Rig, upload: UploadCompleted) -> None:
    """Returns when ffmpeg has begun to write."""

    async def writes() -> bool:
        return any(path.stat().st_size for path in rig.folder.glob("transcoder/run-*/*/out/hls/*/*.ts"))

    await until(writes)


def ffmpegs(folder: Path) -> list[int]:
    """Processes that work below `folder`."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and str(folder).encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return [pid for pid in found if pid != os.getpid()]


async def test_another_worker_takes_over_what_a_killed_one_left(database_dsn: str, tmp_path: Path, video: bytes) -> None:
    async with running(database_dsn, tmp_path, loops=False) as rig:
        # Given a worker of another process in the middle of a video
        async with other_worker(database_dsn, tmp_path) as process:
            upload = await rig.upload(video, "video/mp4")
            await transcoding(rig, upload)

            # When that process is killed
            process.kill()
            process.wait()

        # Then no child of it goes on, and a new worker ends the job
        async def none_is_left() -> bool:
            return not ffmpegs(tmp_path)

        await until(none_is_left)
        # (which does not lose its own lease on a busy machine)
        async with running(database_dsn, tmp_path, transcoder_lease_seconds=30) as other:
            events = await other.ended(upload)
            assert (await other.job(upload))["attempts"] == 2
            # And what the dead one had written is swept
            assert len(list(tmp_path.glob("transcoder/run-*"))) == 2
    assert len(only(events, ProcessingCompleted).renditions) == 5
    assert events[0] == only(events, FileInspected)
    assert [event.percent for event in events if isinstance(event, ProcessingProgressed)] == sorted(
        {event.percent for event in events if isinstance(event, ProcessingProgressed)}
    )


async def test_a_worker_that_stops_gives_its_job_back_at_once(database_dsn: str, tmp_path: Path, long_video: bytes) -> None:
    async with running(database_dsn, tmp_path, loops=False) as watcher:
        async with running(database_dsn, tmp_path, transcoder_lease_seconds=30) as rig:
            upload = await rig.upload(long_video, "video/mp4")
            await transcoding(rig, upload)

            async def reported() -> list[ProcessingProgressed]:
                events = [envelope.event() for envelope in await rig.envelopes(upload)]
                return [event for event in events if isinstance(event, ProcessingProgressed)]

            first, *_ = await until(reported)
            assert first.percent >= 10

        job = await watcher.job(upload)
        assert job["percent"] >= first.percent
        assert (job["state"], job["lease"], job["attempts"]) == ("open", None, 0)
        assert ffmpegs(tmp_path) == []


async def test_a_job_that_keeps_killing_its_workers_is_given_up(database_dsn: str, tmp_path: Path) -> None:
    async with running(database_dsn, tmp_path, loops=False) as rig:
        upload = await rig.upload(image("PNG"), "image/png")
        async with rig.service.outbox.database.connection() as connection:
            await connection.execute("UPDATE job SET lane = 'quick', attempts = 3, next_at = now(), lease = gen_random_uuid()")
        async with running(database_dsn, tmp_path) as other:
            failed = only(await other.ended(upload), ProcessingFailed)

    assert failed.code == "internal"


async def test_a_worker_that_fails_after_another_took_over_deletes_nothing(
    database_dsn: str, tmp_path: Path, video: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = "hls/240p/01234567-00000.ts"

    async def fails_late(*_arguments: object, **_options: object) -> None:
        async with rig.service.outbox.database.connection() as connection:
            await connection.execute("UPDATE job SET lease = gen_random_uuid(), next_at = now() + interval '1 hour'")
        key = f"files/{upload.upload_id}/renditions/{others}"
        await rig.store.write(key, rigs._chunks(b"of the other one"), content_type="video/mp2t")
        raise LimitExceededError("Transcoding the video takes more time than one file may take.")

    monkeypatch.setattr(Transcoder, "run", fails_late)
    async with running(database_dsn, tmp_path, transcoder_lease_seconds=30) as rig:
        upload = await rig.upload(video, "video/mp4")

        async def has_ended() -> bool:
            return bool(await rig.keys(upload)) and not list(tmp_path.glob("transcoder/run-*/*/in.bin"))

        await until(has_ended)
        assert await rig.keys(upload) == [others]


async def test_a_file_deleted_during_its_job_leaves_nothing(database_dsn: str, tmp_path: Path, long_video: bytes) -> None:
    async with running(database_dsn, tmp_path) as rig:
        upload = await rig.upload(long_video, "video/mp4")
        await transcoding(rig, upload)
        await rig.store.write(
            f"files/{upload.upload_id}/renditions/hls/240p/00000.ts", rigs._chunks(b"written early"), content_type="video/mp2t"
        )

        await rig.delete(upload)

        async def is_clean() -> bool:
            return (await rig.job(upload))["clean_at"] is None and not ffmpegs(tmp_path)

        await until(is_clean)
        assert await rig.keys(upload) == []
        assert list(tmp_path.glob("transcoder/run-*/*/in.bin")) == []
        events = [envelope.event() for envelope in await rig.envelopes(upload)]
        assert not any(isinstance(event, ProcessingCompleted | ProcessingFailed) for event in events)


async def test_renditions_that_a_deletion_missed_are_cleaned(database_dsn: str, tmp_path: Path) -> None:
    async with running(database_dsn, tmp_path) as rig:
        upload = await rig.upload(image("PNG"), "image/png")
        await rig.ended(upload)
        assert await rig.keys(upload) == ["thumbnail.jpg"]

        await rig.delete(upload)

        async def is_clean() -> bool:
            return await rig.keys(upload) == []

        await until(is_clean)


async def test_what_was_removed_long_ago_is_forgotten_and_nothing_else(database_dsn: str, tmp_path: Path) -> None:
    async with running(database_dsn, tmp_path) as rig:
        kept, removed, new = [await rig.upload(image("PNG"), "image/png") for _ in range(3)]
        for upload in (kept, removed, new):
            await rig.ended(upload)
        for upload in (removed, new):
            await rig.delete(upload)

        async def is_clean() -> bool:
            return all([(await rig.job(upload))["clean_at"] is None for upload in (removed, new)])

        await until(is_clean)
        async with rig.service.outbox.database.connection() as connection:
            old = "UPDATE job SET changed_at = now() - interval '31 days' WHERE upload_id = ANY($1)"
            await connection.execute(old, [kept.upload_id, removed.upload_id])

        assert not await Cleaner(rig.service.outbox, rig.store, forget_age=timedelta(days=30)).forget()

        assert not await rig.job(removed)
        assert [(await rig.job(upload))["state"] for upload in (kept, new)] == ["completed", "removed"]


async def test_small_files_pass_a_long_video(database_dsn: str, tmp_path: Path, long_video: bytes) -> None:
    async with running(database_dsn, tmp_path, transcoder_jobs=1) as rig:
        videos = [await rig.upload(long_video, "video/mp4") for _ in range(2)]
        await transcoding(rig, videos[0])

        only(await rig.processed(image("PNG"), "image/png"), ProcessingCompleted)
        only(await rig.processed(b"words"), ProcessingCompleted)

        for video in videos:
            assert (await rig.job(video))["state"] == "open"


async def test_a_tenant_with_many_files_does_not_delay_anothers_first(
    database_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_go_on, download = asyncio.Semaphore(0), DiskStore.download
    order: list[str] = []

    async def waiting(self: DiskStore, key: str, path: Path) -> None:
        order.append(key.split("/")[1])
        await may_go_on.acquire()
        await download(self, key, path)

    async def all_wait_for_a_slot() -> bool:
        return len(order) == 1 and all([(await rig.job(upload))["lane"] == "quick" for upload in uploads])

    monkeypatch.setattr(DiskStore, "download", waiting)
    async with running(database_dsn, tmp_path, transcoder_quick_jobs=1) as rig:
        uploads = [await rig.upload(image("PNG"), "image/png") for _ in range(5)]
        await until(all_wait_for_a_slot)
        others = (await rig.put(image("PNG"), "image/png")).model_copy(update={"tenant_id": TenantId(uuid4())})
        await rig.handle(others)
        uploads.append(others)
        await until(all_wait_for_a_slot)

        may_go_on.release()

        async def second() -> list[str]:
            return order[1:]

        assert await until(second) == [str(others.upload_id)]


async def test_a_store_that_fails_costs_no_attempt(database_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    download = DiskStore.download

    async def failing(self: DiskStore, key: str, path: Path) -> None:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise StoreUnavailableError("away")
        await download(self, key, path)

    monkeypatch.setattr(DiskStore, "download", failing)
    async with running(database_dsn, tmp_path) as rig:
        upload = await rig.upload(image("PNG"), "image/png")

        only(await rig.ended(upload), ProcessingCompleted)

        job = await rig.job(upload)
    assert (job["attempts"], job["store_errors"]) == (1, 2)


async def test_a_store_that_hangs_costs_no_attempt(database_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = asyncio.Event()
    read = DiskStore.read

    async def hanging(self: DiskStore, key: str, **options: Any) -> AsyncIterator[bytes]:
        await answers.wait()
        async for chunk in read(self, key, **options):
            yield chunk

    monkeypatch.setattr(DiskStore, "read", hanging)
    async with running(database_dsn, tmp_path) as rig:
        upload = await rig.upload(b"plain text", "text/plain")

        async def has_waited_longer_than_all_leases() -> bool:
            job = await rig.job(upload)
            return bool(job["store_errors"] > 3 or job["state"] != "open")

        await until(has_waited_longer_than_all_leases)
        answers.set()

        only(await rig.ended(upload), ProcessingCompleted)

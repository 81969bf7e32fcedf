"""A video can be played while it is being made, and nobody sees anything wrong when that is interrupted."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from fractions import Fraction
from pathlib import Path
from uuid import uuid4

import av
import pytest
import pytest_asyncio

from contracts.events import ProcessingCompleted, ProcessingFailed, StreamStarted, UploadCompleted
from contracts.ids import UploadId, new_upload_id
from libs.object_store.disk import DiskStore
from libs.object_store.port import ObjectInfo, StoreUnavailableError
from services.transcoder.adapters.playlist import Variant, segment_names
from services.transcoder.domain.ladder import Rung, Size
from services.transcoder.domain.object_key import growing_prefix, renditions_prefix
from services.transcoder.usecases.publishing import RenditionPublisher
from services.transcoder.usecases.streaming import GrowingStream
from tests.integration.services.transcoder.rig import Rig, only, running, until
from tests.integration.services.transcoder.samples import Samples
from tests.integration.services.transcoder.test_leases import other_worker

MASTER = "hls/master.m3u8"


async def text(store: DiskStore, key: str) -> str | None:
    found = await store.peek(key, 1 << 20)
    return None if found is None or found.content is None else found.content.decode()


async def growing(store: DiskStore, upload_id: UploadId, name: str) -> str | None:
    return await text(store, growing_prefix(upload_id) + name)


async def names(store: DiskStore, prefix: str) -> list[str]:
    return [found.key.removeprefix(prefix) async for page in store.list(prefix) for found in page]


# ---------------------------------------------------------------- a real video


async def has_started(rig: Rig, upload: UploadCompleted) -> bool:
    return any(isinstance(envelope.event(), StreamStarted) for envelope in await rig.envelopes(upload))


async def test_a_video_can_be_played_before_it_is_done(database_dsn: str, tmp_path: Path, samples: Samples) -> None:
    video = samples.video("long.mp4", size="1280x720", seconds=24)
    async with running(database_dsn, tmp_path) as rig:
        upload = await rig.upload(video, "video/mp4")
        await until(lambda: has_started(rig, upload))

        assert (await rig.job(upload))["state"] == "open"
        assert "video.mp4" not in await rig.keys(upload)
        master = await growing(rig.store, upload.upload_id, MASTER)
        assert master is not None
        variants = segment_names(master)
        assert variants == ["720p/index.m3u8", "480p/index.m3u8", "360p/index.m3u8", "240p/index.m3u8"]
        for variant in variants:
            playlist = await growing(rig.store, upload.upload_id, f"hls/{variant}")
            assert playlist is not None
            assert "#EXT-X-PLAYLIST-TYPE:EVENT" in playlist and "#EXT-X-ENDLIST" not in playlist
            for segment in segment_names(playlist):
                path = await rig.rendition(upload, f"hls/{variant.partition('/')[0]}/{segment}")
                with av.open(str(path)) as container:
                    assert len(list(container.decode(video=0))) == 100


async def test_in_the_end_it_is_video_on_demand(database_dsn: str, tmp_path: Path, samples: Samples) -> None:
    async with running(database_dsn, tmp_path) as rig:
        upload = await rig.upload(samples.video("interrupted.mp4", size="640x360", seconds=10), "video/mp4")
        only(await rig.ended(upload), ProcessingCompleted)

        playlist = await text(rig.store, f"{renditions_prefix(upload.upload_id)}hls/360p/index.m3u8")
    assert playlist is not None
    assert "#EXT-X-PLAYLIST-TYPE:VOD" in playlist and playlist.endswith("#EXT-X-ENDLIST\n")
    assert len(segment_names(playlist)) == 3


async def test_what_a_killed_worker_has_shown_stands_until_the_next_one_is_as_far(
    database_dsn: str, tmp_path: Path, samples: Samples
) -> None:
    video = samples.video("shown.mp4", size="640x360", seconds=20)
    async with running(database_dsn, tmp_path, loops=False) as rig:
        # Given a worker that was killed when viewers could see a beginning
        async with other_worker(database_dsn, tmp_path) as process:
            upload = await rig.upload(video, "video/mp4")
            await until(lambda: has_started(rig, upload))
            process.kill()
            process.wait()
        shown = await growing(rig.store, upload.upload_id, "hls/360p/index.m3u8")
        assert shown is not None
        # And that could have shown much more
        longer = shown.replace(segment_names(shown)[0][:8], "ffffffff")
        longer += "".join(f"#EXTINF:4.0,\nffffffff-{number:05}.ts\n" for number in range(len(segment_names(shown)), 5))
        await rig.store.write(f"{growing_prefix(upload.upload_id)}hls/360p/index.m3u8", one(longer), content_type="text/plain")

        # When another worker makes the video again
        async with running(database_dsn, tmp_path) as other:
            events = await other.ended(upload)

            # Then what was longer stood to the end, and the stream was announced once
            assert await growing(rig.store, upload.upload_id, "hls/360p/index.m3u8") == longer
            only(events, StreamStarted)
            # And segments of both attempts lie there, so that nobody's playlist leads to nothing
            assert len({name.rpartition("/")[2][:8] for name in await rig.keys(upload) if name.endswith(".ts")}) == 2
            final = await text(rig.store, f"{renditions_prefix(upload.upload_id)}hls/360p/index.m3u8")
            assert final is not None

            # And when viewers have turned to the final playlists, only what these name is left
            async with rig.service.outbox.database.connection() as connection:
                await connection.execute("UPDATE job SET clean_at = now()")

            async def is_clean() -> bool:
                return (await rig.job(upload))["clean_at"] is None

            await until(is_clean)
        kept = await names(rig.store, renditions_prefix(upload.upload_id))
        left = await names(rig.store, growing_prefix(upload.upload_id))
    assert left == []
    assert {name for name in kept if name.startswith("hls/360p/")} == {
        "hls/360p/index.m3u8",
        *(f"hls/360p/{segment}" for segment in segment_names(final)),
    }
    assert {"video.mp4", "poster.jpg", MASTER} < set(kept)


async def test_nothing_of_a_video_that_failed_stays(database_dsn: str, tmp_path: Path) -> None:
    async with running(database_dsn, tmp_path) as rig:
        upload = await rig.put(b"\x00\x00\x00\x18ftypmp42" + bytes(5000), "video/mp4")
        for prefix, name in ((renditions_prefix, "hls/360p/aaaaaaaa-00000.ts"), (growing_prefix, MASTER)):
            await rig.store.write(prefix(upload.upload_id) + name, one("shown before"), content_type="text/plain")

        await rig.handle(upload)
        only(await rig.ended(upload), ProcessingFailed)

        async def is_gone() -> bool:
            return not await rig.keys(upload) and not await names(rig.store, growing_prefix(upload.upload_id))

        await until(is_gone)


# ---------------------------------------------------------------- how it grows


class Encoder:
    """Writes what ffmpeg would write: two variants, whose playlists it replaces."""

    def __init__(self, output: Path, prefix: str) -> None:
        self.prefix = prefix
        self.variants = [
            Variant(output / f"hls/{rung.name}/index.m3u8", rung, Fraction(25), has_sound=True)
            for rung in (Rung("480p", Size(854, 480), 1400, 128), Rung("240p", Size(426, 240), 400, 64))
        ]
        for variant in self.variants:
            variant.playlist.parent.mkdir(parents=True)

    def write(self, *counts: int) -> None:
        """So many segments of each variant."""
        for variant, count in zip(self.variants, counts, strict=True):
            lines = ["#EXTM3U", "#EXT-X-PLAYLIST-TYPE:EVENT"]
            for number in range(count):
                name = f"{self.prefix}{number:05}.ts"
                variant.playlist.with_name(name).write_bytes(b"\0\0\1\x67\x64\x00\x1f" + name.encode())
                lines += ["#EXTINF:4.000000,", name]
            if count:
                variant.playlist.write_text("\n".join([*lines, ""]))


class Attempt:
    """One attempt at a video whose encoder is turned by hand."""

    def __init__(self, store: DiskStore, folder: Path, upload_id: UploadId) -> None:
        folder.mkdir()
        self.store = store
        self.upload_id = upload_id
        self.starts = 0
        publisher = RenditionPublisher(store, renditions_prefix(upload_id), folder, asyncio.Semaphore(4))
        attempt = uuid4()
        self.encoder = Encoder(folder, f"{attempt.hex[:8]}-")
        self.stream = GrowingStream(publisher, upload_id, attempt, self.encoder.variants, self._started)

    async def _started(self) -> None:
        self.starts += 1

    async def lengths(self) -> list[int]:
        playlists = [await growing(self.store, self.upload_id, f"hls/{name}/index.m3u8") for name in ("480p", "240p")]
        return [len(segment_names(playlist)) if playlist else 0 for playlist in playlists]

    async def reach(self, *lengths: int) -> None:
        async def has_reached() -> bool:
            self.stream.look()
            return await self.lengths() == list(lengths)

        await until(has_reached)


async def one(content: str) -> AsyncIterator[bytes]:
    yield content.encode()


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[DiskStore]:
    opened = DiskStore(tmp_path / "store", "http://127.0.0.1:1", "not a secret")
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def upload_id() -> UploadId:
    return new_upload_id()


async def test_it_starts_when_every_variant_has_a_segment(store: DiskStore, tmp_path: Path, upload_id: UploadId) -> None:
    attempt = Attempt(store, tmp_path / "out", upload_id)
    async with attempt.stream.publishing():
        attempt.encoder.write(2, 0)
        attempt.stream.look()
        attempt.encoder.write(2, 1)
        await attempt.reach(2, 1)

        async def is_announced() -> bool:
            return attempt.starts == 1

        await until(is_announced)
        master = await growing(store, upload_id, MASTER)
        assert master is not None
        assert segment_names(master) == ["480p/index.m3u8", "240p/index.m3u8"]
        attempt.encoder.write(4, 4)
        await attempt.reach(4, 4)
    assert attempt.starts == 1
    assert len(await names(store, f"{renditions_prefix(upload_id)}hls/480p/")) == 4


async def test_a_playlist_never_becomes_shorter(store: DiskStore, tmp_path: Path, upload_id: UploadId) -> None:
    first, second = (Attempt(store, tmp_path / name, upload_id) for name in ("first", "second"))
    async with first.stream.publishing():
        first.encoder.write(3, 3)
        await first.reach(3, 3)

    seen = []
    async with second.stream.publishing():
        for count in (1, 2, 3, 4):
            second.encoder.write(count, count)
            second.stream.look()
            seen.append(await second.lengths())
        await second.reach(4, 4)
    assert all(lengths[0] >= 3 for lengths in seen)
    assert second.starts == 1
    playlist = await growing(store, upload_id, "hls/480p/index.m3u8")
    assert playlist is not None
    assert all(name.startswith(second.encoder.prefix) for name in segment_names(playlist))


async def test_a_store_that_is_away_only_delays_it(
    store: DiskStore, tmp_path: Path, upload_id: UploadId, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = 0
    write: Callable[..., Awaitable[ObjectInfo]] = DiskStore.write

    async def failing(self: DiskStore, key: str, *arguments: object, **options: object) -> ObjectInfo:
        nonlocal failures
        if failures < 3:
            failures += 1
            raise StoreUnavailableError("away")
        return await write(self, key, *arguments, **options)

    monkeypatch.setattr(DiskStore, "write", failing)
    attempt = Attempt(store, tmp_path / "out", upload_id)
    async with attempt.stream.publishing():
        attempt.encoder.write(2, 2)
        await attempt.reach(2, 2)
    assert failures == 3


async def test_it_ends_with_its_encoder(store: DiskStore, tmp_path: Path, upload_id: UploadId) -> None:
    attempt = Attempt(store, tmp_path / "out", upload_id)
    async with attempt.stream.publishing():
        attempt.encoder.write(1, 1)
        await attempt.reach(1, 1)

    attempt.encoder.write(2, 2)
    attempt.stream.look()
    assert not [task for task in asyncio.all_tasks() if "GrowingStream" in repr(task.get_coro())]
    assert await attempt.lengths() == [1, 1]


async def test_what_was_published_is_withdrawn(store: DiskStore, tmp_path: Path, upload_id: UploadId) -> None:
    attempt = Attempt(store, tmp_path / "out", upload_id)
    async with attempt.stream.publishing():
        attempt.encoder.write(1, 1)
        await attempt.reach(1, 1)

    await attempt.stream.withdraw()

    assert await names(store, renditions_prefix(upload_id)) == []
    assert await names(store, growing_prefix(upload_id)) == []

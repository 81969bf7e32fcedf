"""Video and sound: what they are, and the renditions of video."""

import re
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from PIL import Image

from contracts.events import (
    AudioStream,
    FileInspected,
    MediaInfo,
    ProcessingCompleted,
    ProcessingFailed,
    Rendition,
    VideoStream,
)
from tests.integration.services.transcoder.rig import Rig, only, probe, running
from tests.integration.services.transcoder.samples import Samples

pytestmark = pytest.mark.asyncio(loop_scope="module")

Size = tuple[int, int]


@pytest.fixture
def video(request: pytest.FixtureRequest, samples: Samples) -> bytes:
    made: bytes = getattr(samples, request.param[0])(**request.param[1])
    return made


@pytest.mark.parametrize(
    ("video", "mime_type", "mp4", "rungs", "sound"),
    [
        (("video", {}), "video/mp4", (320, 240), {"240p": (320, 240)}, "aac"),
        (("video", {"sound": False, "name": "silent.webm", "options": ("-c:v", "vp8")}), "video/webm",
         (320, 240), {"240p": (320, 240)}, None),
        (("rotated", {}), "video/mp4", (240, 320), {"240p": (180, 240)}, "aac"),
        (("video", {"size": "643x365", "seconds": 1, "name": "odd.mkv", "options": ("-pix_fmt", "yuv444p")}),
         "video/x-matroska", (642, 364), {"360p": (634, 360), "240p": (422, 240)}, "aac"),
        (("video", {"size": "90x50", "seconds": 1, "name": "tiny.avi"}), "video/x-msvideo", (90, 50), {"50p": (90, 50)}, "aac"),
        (("video", {"size": "320x240", "seconds": 1, "name": "wide.mov", "options": ("-vf", "setsar=2")}), "video/quicktime",
         (320, 120), {"120p": (320, 120)}, "aac"),
    ],
    indirect=["video"], ids=["sound", "silent", "rotated", "odd", "tiny", "wide pixels"],
)  # fmt: skip
async def test_video_is_described_and_gets_poster_mp4_and_ladder(
    rig: Rig, video: bytes, mime_type: str, mp4: Size, rungs: dict[str, Size], sound: str | None
) -> None:
    upload = await rig.upload(video, "video/mp4")
    events = await rig.ended(upload)

    info, completed = only(events, FileInspected).media, only(events, ProcessingCompleted)
    assert info is not None
    assert completed.mime_type == mime_type
    found = {rendition.name: rendition for rendition in completed.renditions}
    assert list(found) == ["poster.jpg", "video.mp4", "hls/master.m3u8", *(f"hls/{name}/index.m3u8" for name in rungs)]
    await check_movie(rig, found["video.mp4"], mp4, sound, info)
    await check_poster(rig, found["poster.jpg"], mp4)
    await check_ladder(rig, found, rungs, sound)
    segments = [key for key in await rig.keys(upload) if key not in found]
    assert segments
    assert all(re.fullmatch(r"hls/\d+p/[0-9a-f]{8}-\d{5}\.ts", key) for key in segments)


async def check_movie(rig: Rig, movie: Rendition, size: Size, sound: str | None, info: MediaInfo) -> None:
    path = await rig.rendition(upload_of(movie), movie.name)
    codec, actual, audio, seconds = probe(path)
    assert (codec, actual, audio) == ("h264", size, sound)
    assert ((movie.width, movie.height), movie.content_type) == (size, "video/mp4")
    assert movie.size_bytes == path.stat().st_size
    assert movie.duration_seconds == pytest.approx(seconds, abs=0.04)
    assert seconds == pytest.approx(info.duration_seconds, abs=0.2)
    head = path.read_bytes()
    assert head.index(b"moov") < head.index(b"mdat")


async def check_poster(rig: Rig, poster: Rendition, size: Size) -> None:
    with Image.open(await rig.rendition(upload_of(poster), poster.name)) as picture:
        assert picture.format == "JPEG"
        assert picture.size == (poster.width, poster.height)
        assert picture.width == pytest.approx(size[0], abs=1)
        assert len(picture.convert("RGB").getcolors(1 << 24) or ()) > 50


async def check_ladder(rig: Rig, found: dict[str, Rendition], rungs: dict[str, Size], sound: str | None) -> None:
    master = found["hls/master.m3u8"]
    lines = (await rig.rendition(upload_of(master), master.name)).read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == [f"{name}/index.m3u8" for name in rungs]
    assert [re.findall(r"RESOLUTION=(\d+)x(\d+)", line) for line in lines if "STREAM-INF" in line] == [
        [(str(width), str(height))] for width, height in rungs.values()
    ]
    assert all(",FRAME-RATE=25.000" in line for line in lines if "STREAM-INF" in line)
    for name, size in rungs.items():
        playlist = found[f"hls/{name}/index.m3u8"]
        assert (playlist.kind, playlist.content_type) == ("hls_playlist", "application/vnd.apple.mpegurl")
        assert (playlist.width, playlist.height) == size
        words = (await rig.rendition(upload_of(playlist), playlist.name)).read_text().splitlines()
        assert words[-1] == "#EXT-X-ENDLIST"
        segments = [word for word in words if word and not word.startswith("#")]
        codec, actual, audio, _seconds = probe(await rig.rendition(upload_of(playlist), f"hls/{name}/{segments[0]}"))
        assert (codec, actual, audio) == ("h264", size, sound)
        stored = await rig.store.stat(playlist.key.replace("index.m3u8", segments[0]))
        assert stored is not None
        assert stored.content_type == "video/mp2t"


def upload_of(rendition: Rendition) -> UUID:
    return UUID(rendition.key.split("/")[1])


async def test_streams_are_described(rig: Rig, samples: Samples) -> None:
    info = only(await rig.processed(samples.rotated(), "video/mp4", transcode=False), FileInspected).media

    assert info is not None
    [picture], [sound] = info.video, info.audio
    assert (picture.codec, picture.width, picture.height, picture.rotation, picture.frame_rate) == ("h264", 320, 240, 270, 25)
    assert (sound.codec, sound.channels, sound.sample_rate_hz) == ("aac", 1, 44100)
    assert info.format == "mp4"
    assert info.duration_seconds == pytest.approx(2, abs=0.1)
    assert info.bitrate_bps


# U-23
@pytest.mark.parametrize(
    ("name", "options", "codecs"),
    [
        ("told.mp4", (), ("h264", "aac")),
        ("told.mov", (), ("h264", "aac")),
        ("told.webm", ("-c:v", "libvpx"), ("vp8", "opus")),
        ("told.mkv", (), ("h264", "vorbis")),
        ("told.ogv", ("-c:v", "libtheora"), ("theora", "vorbis")),
        ("told.mpg", (), ("mpeg1video", "mp2")),
    ],
)  # fmt: skip
async def test_everything_about_a_video_is_told(
    rig: Rig, samples: Samples, name: str, options: tuple[str, ...], codecs: tuple[str, str]
) -> None:
    content = samples.video(name, options=options)

    info = only(await rig.processed(content, "video/mp4", transcode=False), FileInspected).media

    assert info is not None
    [picture], [sound] = info.video, info.audio
    assert (picture.codec, sound.codec) == codecs
    assert (picture.width, picture.height, picture.frame_rate) == (320, 240, 25)
    assert sound.channels == 1 and sound.sample_rate_hz in (44100, 48000)
    check_rates(info, len(content))


# U-23
@pytest.mark.parametrize("name", ["a.mp3", "a.m4a", "a.wav", "a.ogg", "a.opus", "a.flac", "a.webm", "a.aac"])
async def test_everything_about_a_sound_is_told(rig: Rig, samples: Samples, name: str) -> None:
    content = samples.sound(name)

    info = only(await rig.processed(content, "audio/mpeg", transcode=False), FileInspected).media

    assert info is not None
    assert info.video == ()
    assert info.audio[0].channels == 1 and info.audio[0].sample_rate_hz in (44100, 48000)
    check_rates(info, len(content))


def check_rates(info: MediaInfo, size_bytes: int) -> None:
    """The streams together make up the file, but for what the container needs."""
    assert info.duration_seconds is not None and info.bitrate_bps is not None
    assert info.bitrate_bps == pytest.approx(size_bytes * 8 / info.duration_seconds, rel=0.05)
    streams: list[VideoStream | AudioStream] = [*info.video, *info.audio]
    rates = [stream.bitrate_bps or 0 for stream in streams]
    assert all(0 < rate <= info.bitrate_bps for rate in rates)
    assert sum(rates) == pytest.approx(info.bitrate_bps, rel=0.6)


async def test_damage_behind_what_is_looked_at_is_not_looked_at(rig: Rig, samples: Samples) -> None:
    whole = samples.video("told.webm", options=("-c:v", "libvpx"))
    damaged = whole[: len(whole) // 2] + bytes(len(whole) // 2)

    info = only(await rig.processed(damaged, "video/webm", transcode=False), FileInspected).media

    assert info is not None
    assert info.video[0].bitrate_bps


# M-17
async def test_video_that_shall_not_be_transcoded_has_no_renditions(rig: Rig, samples: Samples) -> None:
    upload = await rig.upload(samples.video(), "video/mp4", transcode=False)

    assert only(await rig.ended(upload), ProcessingCompleted).renditions == ()
    assert await rig.keys(upload) == []


@pytest.mark.parametrize(
    ("name", "mime_type", "codec"),
    [("a.mp3", "audio/mpeg", "mp3"), ("a.m4a", "audio/mp4", "aac"), ("a.wav", "audio/wav", "pcm_s16le"),
     ("a.ogg", "audio/ogg", "vorbis"), ("a.flac", "audio/flac", "flac"), ("a.mp4", "audio/mp4", "aac"),
     ("a.webm", "audio/webm", "opus"), ("a.aac", "audio/aac", "aac")],
)  # fmt: skip
async def test_sound_is_described_and_has_no_renditions(
    rig: Rig, samples: Samples, name: str, mime_type: str, codec: str
) -> None:
    events = await rig.processed(samples.sound(name), "video/mp4")

    inspected = only(events, FileInspected)
    assert inspected.mime_type == mime_type
    assert inspected.media is not None
    assert [stream.codec for stream in inspected.media.audio] == [codec]
    assert inspected.media.duration_seconds == pytest.approx(2, abs=0.2)
    assert only(events, ProcessingCompleted).renditions == ()


async def test_a_video_longer_than_allowed_is_refused(database_dsn: str, tmp_path: Path, samples: Samples) -> None:
    async with running(database_dsn, tmp_path, transcoder_max_duration_seconds=1) as rig:
        failed = only(await rig.processed(samples.video(), "video/mp4"), ProcessingFailed)

    assert failed.code == "limit_exceeded"


@pytest.mark.parametrize(
    "limit", [{"transcoder_max_output_bytes": 2000}, {"transcoder_max_seconds": 0.2}], ids=["output", "time"]
)
async def test_a_video_that_costs_too_much_is_refused(
    database_dsn: str, tmp_path: Path, samples: Samples, limit: dict[str, Any]
) -> None:
    async with running(database_dsn, tmp_path, **limit) as rig:
        upload = await rig.upload(samples.video(size="1280x720", seconds=3), "video/mp4")
        failed = only(await rig.ended(upload), ProcessingFailed)

        assert failed.code == "limit_exceeded"
        assert await rig.keys(upload) == []


async def test_a_frame_with_too_many_pixels_is_refused(database_dsn: str, tmp_path: Path, samples: Samples) -> None:
    async with running(database_dsn, tmp_path, transcoder_max_pixels=10_000) as rig:
        failed = only(await rig.processed(samples.video(), "video/mp4"), ProcessingFailed)

    assert failed.code == "limit_exceeded"

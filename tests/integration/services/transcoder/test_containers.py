"""Containers as devices, browsers and recorders write them."""

from pathlib import Path

import pytest

from tests.integration.services.transcoder.samples import Samples
from tests.integration.services.transcoder.workbench import inspected, transcoded

SONG = ("sine=d=2:r=44100",)
TALK = "aevalsrc='if(lt(t,2),0,random(0)-0.5)':d=6:s=22050"
"""Silence, then noise: an MP3 of variable bit rate takes much less for the one than for the other."""


def tag(size: int) -> bytes:
    """An ID3v2.3 tag of `size` bytes."""
    length = bytes((size - 10) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return (b"ID3\x03\x00\x00" + length + b"TIT2\x00\x00\x00\x05\x00\x00\x00song").ljust(size, b"\0")


@pytest.mark.parametrize("before", [tag(1034), tag(1 << 20), bytes(3000), bytes(7) + tag(600) + tag(700) + bytes(900)],
                         ids=["tag", "tag with a cover", "zeros", "all of them"])  # fmt: skip
@pytest.mark.parametrize(
    ("name", "options", "codec"),
    [("a.flac", (), "flac"), ("a.aac", (), "aac"), ("a.mp3", ("-id3v2_version", "0"), "mp3"), ("a.ogg", (), "vorbis")],
)  # fmt: skip
async def test_sound_behind_tags_and_zeros_is_found(
    samples: Samples, tmp_path: Path, name: str, options: tuple[str, ...], codec: str, before: bytes
) -> None:
    song = samples.film(f"song-{name}", *SONG, options=options)

    source = await inspected(before + song, tmp_path)

    [sound] = source.info.audio
    assert (sound.codec, sound.channels, sound.sample_rate_hz) == (codec, 1, 44100)
    assert source.info.duration_seconds == pytest.approx(2, abs=0.06)
    assert source.info.bitrate_bps == pytest.approx(len(song) * 8 / 2, rel=0.05)


@pytest.mark.parametrize("header", ["0", "1"])
async def test_the_length_of_an_mp3_of_variable_rate_is_measured(samples: Samples, tmp_path: Path, header: str) -> None:
    options = ("-q:a", "2", "-write_xing", header, "-id3v2_version", "0")

    source = await inspected(samples.film(f"talk-{header}.mp3", TALK, options=options), tmp_path)

    assert source.info.duration_seconds == pytest.approx(6, abs=0.1)


async def test_a_film_has_as_many_tracks_as_it_likes(samples: Samples, tmp_path: Path) -> None:
    subtitles = [samples.subtitles("00:00:02")] * 40
    maps = [word for number in range(42) for word in ("-map", str(number))]
    film = samples.film("tracks.mkv", "testsrc2=s=64x64:r=25:d=2", "sine=d=2", *subtitles, options=(*maps, "-c:s", "srt"))

    made = await transcoded(film, tmp_path)

    assert made.files["video.mp4"].duration_seconds == pytest.approx(2, abs=0.05)
    assert len(made.source.info.audio) == 1


async def test_sound_that_nobody_can_decode_does_not_cost_the_video(samples: Samples, tmp_path: Path) -> None:
    """The first of two sound tracks is Vorbis, but called Opus."""
    options = ("-map", "0", "-map", "1", "-map", "2", "-c:a:0", "libvorbis", "-c:a:1", "aac")
    film = samples.film("two-tracks.mkv", "testsrc2=s=64x64:r=25:d=2", "sine=d=2", "sine=d=2", options=options)

    made = await transcoded(film.replace(b"A_VORBIS", b"A_OPUS\0\0"), tmp_path)

    assert made.source.video is not None and made.source.video.sound is not None
    assert made.source.video.sound.index == 2


async def test_a_spliced_broadcast_is_as_long_as_its_parts(samples: Samples, tmp_path: Path) -> None:
    """Each part counts from another time."""
    parts = [
        samples.film(f"part-{start}.ts", "testsrc2=s=64x64:r=25:d=2", "sine=d=2", options=("-output_ts_offset", start))
        for start in ("0", "5000")
    ]

    made = await transcoded(parts[0] + parts[1] + parts[0], tmp_path)

    assert made.source.info.duration_seconds == pytest.approx(6, abs=0.2)
    assert made.files["video.mp4"].duration_seconds == pytest.approx(6, abs=0.2)

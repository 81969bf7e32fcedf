"""Videos whose end is missing are refused; those that only look so are not."""

from pathlib import Path

import pytest

from services.transcoder.domain.error import UnreadableMediaError
from tests.integration.services.transcoder.samples import Samples
from tests.integration.services.transcoder.workbench import inspected, transcoded

FILM = ("testsrc2=s=64x64:r=25:d=4", "sine=d=4")
VP8 = ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus")
FRAGMENTS = ("-g", "25", "-movflags", "frag_keyframe+empty_moov")

CONTAINERS = {
    "index-first.mp4": ("-movflags", "+faststart"),
    "fragments.mp4": FRAGMENTS,
    "indexed-fragments.mp4": ("-g", "25", "-movflags", "dash+frag_keyframe+empty_moov+global_sidx"),
    "a.mov": ("-movflags", "+faststart"),
    "a.mkv": (),
    "a.webm": VP8,
    "a.avi": ("-c:a", "mp3"),
    "a.flv": ("-c:v", "flv1", "-c:a", "mp3", "-ar", "44100"),
    "a.mpg": ("-c:v", "mpeg2video"),
    "a.ts": (),
    "a.m2ts": ("-mpegts_m2ts_mode", "1"),
}


async def is_cut_off(content: bytes, folder: Path) -> bool:
    video = (await inspected(content, folder)).video
    assert video is not None
    return video.is_cut_off


@pytest.mark.parametrize("name", CONTAINERS)
async def test_half_a_video_is_cut_off(samples: Samples, tmp_path: Path, name: str) -> None:
    whole = samples.film(f"whole-{name}", *FILM, options=CONTAINERS[name])

    assert not await is_cut_off(whole, tmp_path)
    assert await is_cut_off(whole[: len(whole) // 2 + 1], tmp_path)


@pytest.mark.parametrize("share", [0.03, 0.5, 0.97])
@pytest.mark.parametrize("name", ["index-first.mp4", "a.mkv"])
async def test_wherever_it_was_cut_it_is_refused(samples: Samples, tmp_path: Path, name: str, share: float) -> None:
    whole = samples.film(f"whole-{name}", *FILM, options=CONTAINERS[name])

    with pytest.raises(UnreadableMediaError):
        await transcoded(whole[: int(len(whole) * share)], tmp_path)


async def test_sound_before_all_pictures_does_not_hide_that_they_are_missing(samples: Samples, tmp_path: Path) -> None:
    """The container tells 14 seconds, of which only the last second is missing."""
    pictures = f"{FILM[0]},setpts=PTS+10/TB"
    whole = samples.film("pictures-last.mp4", pictures, FILM[1], options=("-movflags", "+faststart"))

    assert await is_cut_off(whole[: len(whole) * 4 // 5], tmp_path)


async def test_a_broadcast_may_stop_between_any_two_packets(samples: Samples, tmp_path: Path) -> None:
    whole = samples.film("whole-a.ts", *FILM)
    packets = whole[: len(whole) // 2 // 188 * 188]

    assert not await is_cut_off(packets, tmp_path)


async def test_a_whole_file_whose_header_tells_a_longer_time_is_whole(samples: Samples, tmp_path: Path) -> None:
    whole = samples.film("whole-a.mkv", *FILM)
    place = whole.index(b"\x44\x89\x88") + 3  # Duration, an 8 byte float; Matroska, RFC 9559
    longer = whole[:place] + bytes.fromhex("40f86a0000000000") + whole[place + 8 :]  # 100 s, in milliseconds

    source = await inspected(longer, tmp_path)

    assert source.video is not None and not source.video.is_cut_off
    assert source.info.duration_seconds == pytest.approx(4, abs=0.05)


async def test_a_recording_of_a_browser_that_was_cut_off_is_as_long_as_what_is_there(samples: Samples, tmp_path: Path) -> None:
    whole = samples.film("live-4.webm", *FILM, options=(*VP8, "-live", "1"))

    source = await inspected(whole[: len(whole) // 2], tmp_path)

    assert source.info.duration_seconds == pytest.approx(2, abs=0.3)

"""The ffmpeg command."""

from pathlib import Path

import pytest

from contracts.events import MediaInfo
from services.transcoder.adapters import ffmpeg
from services.transcoder.adapters.transcoder import Progress
from services.transcoder.domain.error import UnreadableMediaError
from services.transcoder.domain.ladder import Size
from services.transcoder.domain.media import Source


def command(*, audio_index: int | None = 1) -> list[str]:
    source = Source(
        MediaInfo(format="mp4", duration_seconds=60), "mov", size=Size(1280, 720), video_index=0, audio_index=audio_index
    )
    return ffmpeg.command(Path("ffmpeg"), Path("/w/in.bin"), Path("/w/out"), source, threads=2, max_pixels=1000)


def option(words: list[str], name: str) -> str:
    return words[words.index(name) + 1]


def test_input_is_one_local_file_opened_by_one_demuxer() -> None:
    words = command()
    before_input = words[: words.index("-i")]

    assert option(before_input, "-protocol_whitelist") == "file"
    assert option(before_input, "-format_whitelist") == option(before_input, "-f") == "mov"
    assert option(before_input, "-max_pixels") == "1000"
    assert words.count("-i") == 1
    assert "-nostdin" in before_input


def test_video_is_decoded_once_for_all_outputs() -> None:
    filters = option(command(), "-filter_complex")

    assert filters.count("[0:0]") == 1
    assert "split=6" in filters  # MP4, four rungs, poster


def test_each_rung_is_a_variant_with_sound() -> None:
    words = command()

    assert option(words, "-var_stream_map") == "v:0,a:0,name:720p v:1,a:1,name:480p v:2,a:2,name:360p v:3,a:3,name:240p"


def test_no_sound_is_mapped_where_there_is_none() -> None:
    words = command(audio_index=None)

    assert option(words, "-var_stream_map") == "v:0,name:720p v:1,name:480p v:2,name:360p v:3,name:240p"
    assert "-c:a" not in words


def test_progress_is_a_share_of_the_duration() -> None:
    seen: list[int] = []
    progress = Progress(10.0, seen.append)

    for line in ("frame=1", "out_time_us=N/A", "out_time_us=2500000", "out_time_us=10400000", "progress=end"):
        progress.read(line)

    assert seen == [25, 99]
    progress.check_complete("mov")


def test_video_that_ends_early_is_incomplete() -> None:
    progress = Progress(10.0, lambda _percent: None)
    progress.read("out_time_us=5000000")

    with pytest.raises(UnreadableMediaError, match=r"ends after 5 of 10 seconds"):
        progress.check_complete("mov")
    progress.check_complete("mpegts")

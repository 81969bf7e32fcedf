"""The ffmpeg command."""

import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from services.transcoder.adapters import ffmpeg
from services.transcoder.adapters.transcoder import Progress, check_complete
from services.transcoder.domain.color import BT709, PQ, Color
from services.transcoder.domain.error import UnreadableMediaError
from services.transcoder.domain.ladder import Size
from services.transcoder.domain.media import Picture, Sound, Video

STANDARD = Color(BT709, BT709, BT709)
PICTURE = Picture(0, Size(1280, 720), Fraction(25), Fraction(25), STANDARD, end_seconds=60, poster_seconds=3)
VIDEO = Video("mov", PICTURE, Sound(1, 2, end_seconds=60))


def command(video: Video = VIDEO, output: Path = Path("/w/out")) -> list[str]:
    return ffmpeg.command(Path("ffmpeg"), Path("/w/in.bin"), output, video, segment_prefix="s-", threads=2, max_pixels=1000)


def outputs(video: Video = VIDEO) -> dict[str, dict[str, str]]:
    """What is told to the `tee` muxer, in part: options by format."""
    told = [dict(re.findall(r"(select|f|bsfs/v|movflags)=((?:\\\\:|[^:\]])+)", text)) for text in command(video)[-1].split("|")]
    return {options.pop("f"): {name: value.replace("\\\\:", ":") for name, value in options.items()} for options in told}


def variants(video: Video) -> str:
    found: list[str] = re.findall(r"var_stream_map=([^\]]+)\]", command(video)[-1])
    return found[0].replace("\\\\:", ":")


def option(words: list[str], name: str) -> str:
    return words[words.index(name) + 1]


def filters(video: Video) -> str:
    return option(command(video), "-filter_complex")


def test_input_is_one_local_file_opened_by_one_demuxer() -> None:
    words = command()
    before_input = words[: words.index("-i")]

    assert option(before_input, "-protocol_whitelist") == "file"
    assert option(before_input, "-format_whitelist") == option(before_input, "-f") == "mov"
    assert option(before_input, "-max_pixels") == "1000"
    assert words.count("-i") == 1
    assert "-nostdin" in before_input


def test_video_is_decoded_once_for_all_outputs() -> None:
    assert filters(VIDEO).count("[0:0]") == 1
    assert "split=5" in filters(VIDEO)  # four rungs, the best of which is the MP4's, and the poster


def test_each_size_is_encoded_once() -> None:
    assert [option(command(), "-map"), command().count("-map")] == ["[poster]", 1 + 2 * 4]
    assert outputs() == {
        "mp4": {"select": "v:0,a:0", "movflags": "+faststart"},
        "hls": {"select": "v:0,a:0,v:1,a:1,v:2,a:2,v:3,a:3", "bsfs/v": "dump_extra"},
    }


def test_a_movie_whose_size_no_rung_has_is_encoded_for_itself() -> None:
    portrait = replace(VIDEO, picture=replace(PICTURE, size=Size(1080, 1920)))

    assert "split=7" in filters(portrait)
    assert outputs(portrait)["mp4"]["select"] == "v:0,a:0"
    assert outputs(portrait)["hls"]["select"] == "v:1,a:1,v:2,a:2,v:3,a:3,v:4,a:4,v:5,a:5"


def test_each_rung_is_a_variant_with_sound() -> None:
    assert variants(VIDEO) == "v:0,a:0,name:720p v:1,a:1,name:480p v:2,a:2,name:360p v:3,a:3,name:240p"


def test_no_sound_is_mapped_where_there_is_none() -> None:
    silent = replace(VIDEO, sound=None)

    assert variants(silent) == "v:0,name:720p v:1,name:480p v:2,name:360p v:3,name:240p"
    assert outputs(silent)["mp4"]["select"] == "v:0"
    assert "-c:a" not in command(silent)


def test_ordinary_video_is_only_scaled() -> None:
    shared = filters(VIDEO).partition(",split=")[0]

    assert shared == (
        "[0:0]bwdif=mode=send_frame:deint=interlaced,setparams=colorspace=1:color_primaries=1:color_trc=1:range=tv"
    )


def test_hdr_is_mapped_once_in_the_largest_size_of_the_renditions() -> None:
    picture = replace(PICTURE, size=Size(3840, 2160), color=Color(9, 9, PQ))

    assert filters(replace(VIDEO, picture=picture)).count("zscale=w=1920:h=1080") == 1


def test_the_last_picture_stands_as_long_as_there_is_sound() -> None:
    assert "tpad=stop_mode=clone:stop=-1,trim=end=90" in filters(replace(VIDEO, sound=Sound(1, 2, end_seconds=90)))


def test_silence_stands_as_long_as_there_are_pictures() -> None:
    words = command(replace(VIDEO, sound=Sound(1, 2, end_seconds=20)))

    assert option(words, "-af") == "apad=pad_dur=40.000"
    assert "-af" not in command()


def test_frames_that_no_rendition_takes_are_not_scaled() -> None:
    picture = replace(PICTURE, nominal_rate=Fraction(240), frame_rate=Fraction(60))

    assert r"select='isnan(prev_selected_t)+gte(t-prev_selected_t\,0.015000)'" in filters(replace(VIDEO, picture=picture))


def test_times_count_from_the_beginning_of_the_used_streams() -> None:
    words = command(replace(VIDEO, start_seconds=12.5))

    assert option(words[: words.index("-i")], "-itsoffset") == "-12.5"


@pytest.mark.parametrize(("seconds", "wanted"), [(3, r"eq(n\,0)+gte(t\,2.998)"), (0, r"eq(n\,0)")])
def test_a_poster_is_the_first_picture_or_a_later_one(seconds: float, wanted: str) -> None:
    assert f"select='{wanted}'" in filters(replace(VIDEO, picture=replace(PICTURE, poster_seconds=seconds)))
    assert option(command(), "-frames:v") == "2"


def test_progress_is_a_share_of_the_duration() -> None:
    seen: list[int] = []
    looks: list[bool] = []
    progress = Progress(10.0, seen.append, lambda: looks.append(True))

    for line in ("frame=1", "out_time_us=N/A", "out_time_us=2500000", "out_time_us=10400000", "progress=end"):
        progress.read(line)

    assert seen == [25, 99]
    assert looks == [True]


@pytest.mark.parametrize("seconds", [60, 55, 53.95])
def test_a_video_may_lose_as_much_as_may_be_undecodable(seconds: float) -> None:
    check_complete(VIDEO, seconds)


def test_a_video_of_which_much_is_missing_is_damaged() -> None:
    with pytest.raises(UnreadableMediaError, match=r"only 30 of 60 seconds could be decoded"):
        check_complete(VIDEO, 30)

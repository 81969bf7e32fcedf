"""How long a video is: as long as the picture and the sound that are used, whatever its container and its other streams say."""

from collections.abc import Callable
from pathlib import Path

import av
import pytest
from PIL import Image

from services.transcoder.adapters.playlist import segments
from tests.integration.services.transcoder.samples import Samples
from tests.integration.services.transcoder.workbench import transcoded

PICTURE = "testsrc2=s=64x64:r=25:d="
SOUND = "sine=d="
LIVE_WEBM = ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus", "-live", "1")
ONE_FRAME = "color=red:s=64x64:r=25:d=0.04"


def unused_first(samples: Samples) -> bytes:
    """The second sound track begins ten seconds before everything else."""
    late = samples.film("late.mkv", PICTURE + "2", SOUND + "2", options=("-output_ts_offset", "10"))
    Path(samples.folder / "late-copy.mkv").write_bytes(late)
    return samples.film(
        "unused-first.mkv", str(samples.folder / "late-copy.mkv"), SOUND + "1", options=("-map", "0", "-map", "1", "-copyts")
    )


FILMS: dict[str, tuple[Callable[[Samples], bytes], float]] = {
    "one frame": (lambda s: s.film("one.mp4", ONE_FRAME), 0.04),
    "one picture under sound": (lambda s: s.film("still.mp4", SOUND + "30", ONE_FRAME), 30),
    "long sound": (lambda s: s.film("long-sound.mp4", PICTURE + "1", SOUND + "9"), 9),
    "short sound": (lambda s: s.film("short-sound.mp4", PICTURE + "9", SOUND + "1"), 9),
    "late picture": (lambda s: s.film("late-picture.mp4", SOUND + "4", PICTURE + "1,setpts=PTS+3/TB"), 4),
    "subtitles in MKV": (
        lambda s: s.film("subtitles.mkv", PICTURE + "2", SOUND + "2", s.subtitles("00:20:00"), options=("-c:s", "srt")), 2,
    ),
    "subtitles in MP4": (
        lambda s: s.film("subtitles.mp4", PICTURE + "2", SOUND + "2", s.subtitles("00:20:00"), options=("-c:s", "mov_text")), 2,
    ),
    "second sound track": (
        lambda s: s.film("two.mp4", PICTURE + "2", SOUND + "2", SOUND + "40", options=("-map", "0", "-map", "1", "-map", "2")),
        2,
    ),
    "a frame in ten seconds": (lambda s: s.film("tenth.mp4", "testsrc2=s=64x64:r=1/10:d=30", SOUND + "30"), 30),
    "a frame in two seconds": (lambda s: s.film("half.mkv", "testsrc2=s=64x64:r=1/2:d=6"), 6),
    "240 frames per second": (lambda s: s.film("fast.mp4", "testsrc2=s=64x64:r=240:d=1"), 1),
    "a screen that stands still": (lambda s: s.still_screen("screen.mp4", 30), 30.96),
    "the same in MKV": (lambda s: s.still_screen("screen.mkv", 30), 30.96),
    "fragments": (
        lambda s: s.film("fragments.mp4", PICTURE + "2", SOUND + "2", options=("-movflags", "frag_keyframe+empty_moov")), 2,
    ),
    "MKV without a duration": (lambda s: s.film("live.mkv", PICTURE + "2", SOUND + "2", options=("-live", "1")), 2),
    "WebM of a browser": (lambda s: s.film("live.webm", PICTURE + "2", SOUND + "2", options=LIVE_WEBM), 2),
    "an earlier track that is not used": (unused_first, 2),
}  # fmt: skip


@pytest.mark.parametrize("name", FILMS)
async def test_video_is_as_long_as_its_used_streams(samples: Samples, tmp_path: Path, name: str) -> None:
    make, seconds = FILMS[name]

    made = await transcoded(make(samples), tmp_path)

    assert made.source.info.duration_seconds == pytest.approx(seconds, abs=0.06)
    assert made.source.video is not None
    frame = float(1 / made.source.video.picture.frame_rate)
    assert made.files["video.mp4"].duration_seconds == pytest.approx(seconds, abs=2 * frame)
    with av.open(str(made.path("video.mp4"))) as movie:
        lengths = [float((stream.duration or 0) * (stream.time_base or 0)) for stream in movie.streams]
    assert lengths == [pytest.approx(seconds, abs=0.06 + 2 * frame)] * (2 if made.source.video.sound else 1)
    found = segments(made.path("hls/64p/index.m3u8"))
    assert sum(segment.seconds for segment in found) == pytest.approx(seconds, abs=2 * frame)
    assert max(segment.seconds for segment in found) <= 4 + frame
    with Image.open(made.path("poster.jpg")) as poster:
        assert poster.size == (64, 64)


@pytest.mark.parametrize(
    ("rate", "seconds", "white"),
    [("25", 2, "gte(t,0.16)"), ("25", 2, "between(t,0.19,0.21)"), ("1/10", 40, "lt(t,1)"), ("25", 0.04, "gte(t,0)")],
    ids=["past a black beginning", "this very frame", "nearest is the first", "only one"],
)
async def test_the_poster_is_the_frame_nearest_to_a_tenth(
    samples: Samples, tmp_path: Path, rate: str, seconds: float, white: str
) -> None:
    film = f"color=black:s=64x64:r={rate}:d={seconds},drawbox=c=white:t=fill:enable='{white}'"

    made = await transcoded(samples.film(f"white-{white}-{seconds}.mp4", film), tmp_path)

    with Image.open(made.path("poster.jpg")) as poster:
        assert poster.convert("L").getpixel((32, 32)) == pytest.approx(255, abs=10)

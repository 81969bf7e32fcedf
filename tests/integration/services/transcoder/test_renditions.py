"""How the MP4 and the HLS ladder of a video belong together."""

import hashlib
from pathlib import Path

import av
import pytest

from services.transcoder.adapters.playlist import segments
from tests.integration.services.transcoder.samples import Samples
from tests.integration.services.transcoder.workbench import Transcoded, transcoded

LONG = ("testsrc2=s=256x240:r=25:d=9", "sine=d=9")


def pictures(content: Path) -> list[str]:
    with av.open(str(content)) as container:
        return [hashlib.sha256(bytes(frame.planes[0])).hexdigest() for frame in container.decode(video=0)]


def variant(made: Transcoded, name: str) -> Path:
    """All segments of a variant, as one file."""
    whole = made.path(f"{name}.ts")
    whole.write_bytes(b"".join(segment.path.read_bytes() for segment in segments(made.path(f"hls/{name}/index.m3u8"))))
    return whole


def packets(path: Path) -> dict[str, list[float]]:
    """When each one is shown, from the first picture on, by the kind of its stream."""
    with av.open(str(path)) as container:
        times: dict[str, list[float]] = {"video": [], "audio": []}
        for packet in container.demux():
            if packet.pts is not None and packet.size:
                times[packet.stream.type].append(float(packet.pts * packet.time_base))
    start = min(times["video"])
    return {kind: [time - start for time in sorted(found)] for kind, found in times.items()}


async def test_the_movie_holds_the_pictures_and_sounds_of_the_best_variant(samples: Samples, tmp_path: Path) -> None:
    made = await transcoded(samples.film("nine.mp4", *LONG), tmp_path)

    movie, best = made.path("video.mp4"), variant(made, "240p")
    assert len(pictures(movie)) == 9 * 25
    assert pictures(movie) == pictures(best)
    assert packets(movie)["video"] == pytest.approx(packets(best)["video"], abs=1e-4)
    assert packets(movie)["audio"] == pytest.approx(packets(best)["audio"], abs=1e-4)


async def test_the_movie_begins_with_picture_and_sound_together(samples: Samples, tmp_path: Path) -> None:
    made = await transcoded(samples.film("nine.mp4", *LONG), tmp_path)

    with av.open(str(made.path("video.mp4"))) as movie:
        assert [stream.start_time for stream in movie.streams] == [0, 0]
        assert [stream.codec_context.extradata is not None for stream in movie.streams] == [True, True]
        assert float(movie.duration or 0) / av.time_base == pytest.approx(9, abs=0.05)


async def test_every_segment_can_be_decoded_by_itself(samples: Samples, tmp_path: Path) -> None:
    made = await transcoded(samples.film("nine.mp4", *LONG), tmp_path)

    lengths = [len(pictures(segment.path)) for segment in segments(made.path("hls/240p/index.m3u8"))]
    assert lengths == [100, 100, 25]


async def test_a_movie_of_a_size_of_its_own_lies_beside_the_ladder(samples: Samples, tmp_path: Path) -> None:
    made = await transcoded(samples.film("portrait.mp4", "testsrc2=s=240x320:r=25:d=1", "sine=d=1"), tmp_path)

    with av.open(str(made.path("video.mp4"))) as movie, av.open(str(made.path("hls/240p/00000.ts"))) as rung:
        sizes = [(file.streams.video[0].width, file.streams.video[0].height) for file in (movie, rung)]
    assert sizes == [(240, 320), (180, 240)]


async def test_the_folder_may_have_any_name(samples: Samples, tmp_path: Path) -> None:
    folder = tmp_path / r"it's [a] | b: \c"
    folder.mkdir()

    made = await transcoded(samples.film("nine.mp4", *LONG), folder)

    assert made.path("video.mp4").stat().st_size > 0
    assert len(segments(made.path("hls/240p/index.m3u8"))) == 3

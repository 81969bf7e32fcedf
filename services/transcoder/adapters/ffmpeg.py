"""One ffmpeg command makes every rendition of a video from one decoding, and encodes each size once.

The MP4 holds the same packets as the variant of its size: the `tee` muxer hands each packet to both. Where the ladder has no
variant of its size (a video on its side, 900 lines), the MP4 is encoded beside it.

ffmpeg sees one local file under a name of ours, opened by the one demuxer that sniffing named; it may follow nothing.
https://ffmpeg.org/ffmpeg.html, https://ffmpeg.org/ffmpeg-formats.html#hls-2, https://ffmpeg.org/ffmpeg-formats.html#tee-1
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from services.transcoder.adapters.filters import filter_graph
from services.transcoder.adapters.playlist import BUFFERED_SECONDS, SEGMENT_SECONDS
from services.transcoder.domain.ladder import Rung, Size, fit_picture, ladder, mp4
from services.transcoder.domain.media import Sound, Video

MIN_SILENCE_SECONDS: Final = 0.1
POSTER_EDGE: Final = 1280
MAX_STREAMS: Final = 1000
"""Films have subtitles in 40 languages, and their fonts are streams, too."""
MAX_ERROR_RATE: Final = 0.1
"""Share of undecodable frames above which a file counts as damaged."""
MUX_DELAY_MICROSECONDS: Final = 700_000
"""How long a receiver of the transport stream may keep what it gets before it is shown; ffmpeg's own `-muxdelay`."""

MP4: Final = "video.mp4"
POSTER: Final = "poster.jpg"
MASTER: Final = "hls/master.m3u8"


def playlist(rung: Rung) -> str:
    return f"hls/{rung.name}/index.m3u8"


def poster_size(size: Size) -> Size:
    return fit_picture(size, POSTER_EDGE)


def command(
    ffmpeg: Path, path: Path, output: Path, video: Video, *, segment_prefix: str, threads: int, max_pixels: int
) -> list[str]:
    """Writes `video.mp4`, `poster.jpg` and the HLS ladder below `output`; progress goes to stdout as `key=value` lines.

    The playlists of the variants grow with each segment. The names of segments begin with `segment_prefix`.
    """
    movie, rungs = mp4(video.picture.size), ladder(video.picture.size)
    encoded = rungs if rungs[0].size == movie.size else (movie, *rungs)
    return [
        str(ffmpeg), "-hide_banner", "-nostdin", "-nostats", "-loglevel", "error", "-y", "-progress", "pipe:1",
        "-max_error_rate", str(MAX_ERROR_RATE), "-filter_complex_threads", str(threads),
        *_input(path, video, threads, max_pixels),
        "-filter_complex", filter_graph(video, encoded, poster_size(video.picture.size)),
        *_poster(output),
        *_streams(encoded, video, threads),
        "-f", "tee", "|".join([_movie(video, output), _hls(rungs, len(encoded) - len(rungs), video, output, segment_prefix)]),
    ]  # fmt: skip


def _input(path: Path, video: Video, threads: int, max_pixels: int) -> list[str]:
    """Times count from the beginning of the streams that are used; those of others are negative then."""
    return [
        "-protocol_whitelist", "file", "-format_whitelist", video.demuxer, "-probesize", "5M", "-analyzeduration", "5M",
        "-max_streams", str(MAX_STREAMS), "-max_pixels", str(max_pixels), "-threads", str(threads),
        "-itsoffset", str(-video.start_seconds), "-f", video.demuxer, "-i", str(path),
    ]  # fmt: skip


def _streams(rungs: Sequence[Rung], video: Video, threads: int) -> list[str]:
    """What is encoded: video of each rung, sound with each. Metadata (places, names) stays behind.

    What a decoder must know first goes before the streams (`global_header`), as MP4 wants it; `_hls` puts it into them.
    Sound waits for pictures, however rare they are, so that both lie side by side.
    """
    return [
        *(word for number, rung in enumerate(rungs) for word in _stream(number, rung, video.sound)),
        "-c:v", "libx264", "-preset", "veryfast", "-profile:v", "high", "-crf", "23", "-threads:v", str(threads),
        "-flags:v", "+global_header", "-force_key_frames", f"expr:gte(t,n_forced*{SEGMENT_SECONDS})", "-sc_threshold", "0",
        "-r", str(video.picture.frame_rate), *_audio(video), "-map_metadata", "-1", "-map_chapters", "-1",
        "-max_interleave_delta", "0",
    ]  # fmt: skip


def _stream(number: int, rung: Rung, sound: Sound | None) -> list[str]:
    """Maps the `number`-th video and audio stream and says what they may cost."""
    rate = [f"-maxrate:v:{number}", f"{rung.video_kbps}k", f"-bufsize:v:{number}", f"{rung.video_kbps * BUFFERED_SECONDS}k"]
    picture = ["-map", f"[{rung.name}]", *rate]
    return picture if sound is None else [*picture, "-map", f"0:{sound.index}", f"-b:a:{number}", f"{rung.audio_kbps}k"]


def _audio(video: Video) -> list[str]:
    """AAC, silent where the pictures go on without sound: players stop where one of both is missing."""
    if video.sound is None:
        return []
    missing = video.seconds - video.sound.end_seconds
    silence = ["-af", f"apad=pad_dur={missing:.3f}"] if missing > MIN_SILENCE_SECONDS else []
    return ["-c:a", "aac", "-ar", "48000", "-ac", str(video.sound.channels), *silence]


def _poster(output: Path) -> list[str]:
    """The second picture takes the place of the first: there is a poster wherever there is a picture."""
    return [
        "-map", "[poster]", "-fps_mode", "passthrough", "-frames:v", "2", "-update", "1", "-q:v", "3", "-c:v", "mjpeg",
        "-f", "image2", str(output / POSTER),
    ]  # fmt: skip


def _movie(video: Video, output: Path) -> str:
    """The first streams that are encoded are the largest."""
    return _tee({"f": "mp4", "select": _selected(video, [0]), "movflags": "+faststart"}, output / MP4)


def _hls(rungs: Sequence[Rung], first: int, video: Video, output: Path, segment_prefix: str) -> str:
    """`first` is the number of the best rung among the streams."""
    audio = "" if video.sound is None else ",a:{0}"
    options = {
        "f": "hls",
        "select": _selected(video, range(first, first + len(rungs))),
        "bsfs/v": "dump_extra",
        "max_delay": str(MUX_DELAY_MICROSECONDS),
        "hls_time": str(SEGMENT_SECONDS),
        "hls_playlist_type": "event",
        "hls_flags": "independent_segments",
        "hls_segment_filename": str(output / f"hls/%v/{segment_prefix}%05d.ts"),
        "var_stream_map": " ".join(f"v:{n}{audio.format(n)},name:{rung.name}" for n, rung in enumerate(rungs)),
    }
    return _tee(options, output / "hls/%v/index.m3u8")


def _selected(video: Video, numbers: Iterable[int]) -> str:
    kinds = ("v",) if video.sound is None else ("v", "a")
    return ",".join(f"{kind}:{number}" for number in numbers for kind in kinds)


def _tee(options: Mapping[str, str], path: Path) -> str:
    """One output of the `tee` muxer, which reads its options and then each of their values: both know escapes."""
    given = {"max_interleave_delta": "0", **options}
    words = ":".join(f"{name}={_escaped(value, special=':]')}" for name, value in given.items())
    return _escaped(f"[{words}]{path}", special="|")


def _escaped(text: str, special: str) -> str:
    return re.sub(rf"[\\'{re.escape(special)}]", r"\\\g<0>", text)

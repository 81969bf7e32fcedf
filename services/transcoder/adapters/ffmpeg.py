"""One ffmpeg command makes every rendition of a video from one decoding.

ffmpeg sees one local file under a name of ours, opened by the one demuxer that sniffing named; it may follow nothing.
https://ffmpeg.org/ffmpeg.html, https://ffmpeg.org/ffmpeg-formats.html#hls-2
"""

from pathlib import Path
from typing import Final

from services.transcoder.domain.ladder import Rung, Size, fit_picture, ladder, mp4
from services.transcoder.domain.media import Source

SEGMENT_SECONDS: Final = 4
POSTER_EDGE: Final = 1280
MAX_FRAME_RATE: Final = 60
MAX_ERROR_RATE: Final = 0.1
"""Share of undecodable frames above which a file counts as damaged."""

MP4: Final = "video.mp4"
POSTER: Final = "poster.jpg"
MASTER: Final = "hls/master.m3u8"


def playlist(rung: Rung) -> str:
    return f"hls/{rung.name}/index.m3u8"


def poster_size(size: Size) -> Size:
    return fit_picture(size, POSTER_EDGE)


def poster_at(duration_seconds: float | None) -> float:
    """A tenth into the video, at most 3 s: past a black first frame."""
    return round(min(3.0, (duration_seconds or 0) / 10), 3)


def command(ffmpeg: Path, path: Path, output: Path, source: Source, *, threads: int, max_pixels: int) -> list[str]:
    """Writes `video.mp4`, `poster.jpg` and the HLS ladder below `output`; progress goes to stdout as `key=value` lines."""
    assert source.size is not None
    rungs = ladder(source.size)
    return [
        str(ffmpeg), "-hide_banner", "-nostdin", "-nostats", "-loglevel", "error", "-y", "-progress", "pipe:1",
        "-max_error_rate", str(MAX_ERROR_RATE), "-filter_complex_threads", str(threads),
        *_input(path, source.demuxer, threads, max_pixels),
        "-filter_complex", _filters(source, rungs),
        *_mp4(source, threads, output), *_poster(output), *_hls(source, rungs, threads, output),
    ]  # fmt: skip


def _input(path: Path, demuxer: str, threads: int, max_pixels: int) -> list[str]:
    return [
        "-protocol_whitelist", "file", "-format_whitelist", demuxer, "-probesize", "5M", "-analyzeduration", "5M",
        "-max_streams", "32", "-max_pixels", str(max_pixels), "-threads", str(threads), "-f", demuxer, "-i", str(path),
    ]  # fmt: skip


def _filters(source: Source, rungs: tuple[Rung, ...]) -> str:
    """ffmpeg turns the picture upright before the first filter."""
    assert source.size is not None
    poster = poster_size(source.size)
    outputs = [("mp4", mp4(source.size).size), *((rung.name, rung.size) for rung in rungs)]
    branches = "".join(f"[in_{name}]" for name, _ in outputs)
    return ";".join(
        [
            f"[0:{source.video_index}]split={len(outputs) + 1}{branches}[in_poster]",
            *(f"[in_{name}]scale={s.width}:{s.height},setsar=1,format=yuv420p[{name}]" for name, s in outputs),
            f"[in_poster]select='gte(t,{poster_at(source.info.duration_seconds)})',"
            f"scale={poster.width}:{poster.height}:out_range=full,setsar=1,format=yuvj420p[poster]",
        ]
    )


def _encoders(source: Source, threads: int) -> list[str]:
    """For the streams of one output. Metadata (places, names) stays behind."""
    audio = ["-c:a", "aac", "-ar", "48000", "-ac", str(source.audio_channels)] if source.audio_index is not None else []
    return [
        "-c:v", "libx264", "-preset", "veryfast", "-profile:v", "high", "-crf", "23", "-threads:v", str(threads),
        "-fpsmax", str(MAX_FRAME_RATE), *audio, "-map_metadata", "-1", "-map_chapters", "-1",
    ]  # fmt: skip


def _streams(rung: Rung, source: Source, number: int) -> list[str]:
    """Maps the `number`-th video and audio stream of an output and says what they may cost."""
    rate = [f"-maxrate:v:{number}", f"{rung.video_kbps}k", f"-bufsize:v:{number}", f"{rung.video_kbps * 2}k"]
    video = ["-map", f"[{rung.name}]", *rate]
    if source.audio_index is None:
        return video
    return [*video, "-map", f"0:{source.audio_index}", f"-b:a:{number}", f"{rung.audio_kbps}k"]


def _mp4(source: Source, threads: int, output: Path) -> list[str]:
    assert source.size is not None
    streams = _streams(mp4(source.size), source, 0)
    return [*streams, *_encoders(source, threads), "-movflags", "+faststart", "-f", "mp4", str(output / MP4)]


def _poster(output: Path) -> list[str]:
    return [
        "-map",
        "[poster]",
        "-frames:v",
        "1",
        "-q:v",
        "3",
        "-update",
        "1",
        "-f",
        "image2",
        "-c:v",
        "mjpeg",
        str(output / POSTER),
    ]


def _hls(source: Source, rungs: tuple[Rung, ...], threads: int, output: Path) -> list[str]:
    streams = [word for number, rung in enumerate(rungs) for word in _streams(rung, source, number)]
    audio = "" if source.audio_index is None else ",a:{0}"
    variants = " ".join(f"v:{n}{audio.format(n)},name:{rung.name}" for n, rung in enumerate(rungs))
    return [
        *streams, *_encoders(source, threads),
        "-force_key_frames", f"expr:gte(t,n_forced*{SEGMENT_SECONDS})", "-sc_threshold", "0",
        "-f", "hls", "-hls_time", str(SEGMENT_SECONDS), "-hls_playlist_type", "vod", "-hls_flags", "independent_segments",
        "-hls_segment_filename", str(output / "hls/%v/%05d.ts"), "-master_pl_name", "master.m3u8",
        "-var_stream_map", variants, str(output / "hls/%v/index.m3u8"),
    ]  # fmt: skip

"""Runs ffmpeg on a video and judges how it ended."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from libs.sandbox.output import Finished
from libs.sandbox.sandbox import Limits, Sandbox
from services.transcoder.adapters import ffmpeg
from services.transcoder.adapters.child import ChildFailedError
from services.transcoder.adapters.playlist import Variant, as_video_on_demand, master, segments
from services.transcoder.domain.error import LimitExceededError, UnreadableMediaError
from services.transcoder.domain.ladder import Rung, ladder, mp4
from services.transcoder.domain.media import MadeFile, Video

log = structlog.get_logger()

OnPercent = Callable[[int], None]
OnGrowth = Callable[[], None]


@dataclass(frozen=True)
class Transcoder:
    sandbox: Sandbox
    program: Path
    limits: Limits
    threads: int
    max_pixels: int
    max_duration_seconds: float
    max_output_bytes: int

    async def run(
        self, path: Path, output: Path, video: Video, *, segment_prefix: str, on_percent: OnPercent, on_growth: OnGrowth
    ) -> list[MadeFile]:
        """Fills the empty folder `output`; answers the files worth naming, segments are not.

        `on_growth` is called about twice a second: playlists of `variants` may be there, or have grown.
        Raises UnreadableMediaError, LimitExceededError or ChildFailedError.
        """
        if video.seconds > self.max_duration_seconds:
            raise LimitExceededError(f"The video is longer than {self.max_duration_seconds / 60:.0f} minutes.")
        if video.is_cut_off:
            raise UnreadableMediaError("The video is incomplete: its end is missing.")
        rungs = ladder(video.picture.size)
        for rung in rungs:
            (output / ffmpeg.playlist(rung)).parent.mkdir(parents=True)
        command = ffmpeg.command(
            self.program, path, output, video,
            segment_prefix=segment_prefix, threads=self.threads, max_pixels=self.max_pixels,
        )  # fmt: skip
        progress = Progress(video.seconds, on_percent, on_growth)
        finished = await self.sandbox.run(command, folder=path.parent, limits=self.limits, on_line=progress.read)
        self._judge(finished)
        return await asyncio.to_thread(self._completed, output, video, rungs)

    def _completed(self, output: Path, video: Video, rungs: Sequence[Rung]) -> list[MadeFile]:
        """What was made, once it is found to be all that the video is."""
        self._check_output(output, [ffmpeg.MP4, *(ffmpeg.playlist(rung) for rung in rungs)])
        seconds = round(sum(segment.seconds for segment in segments(output / ffmpeg.playlist(rungs[0]))), 3)
        check_complete(video, seconds)
        found = variants(output, video)
        for variant in found:
            variant.playlist.write_text(as_video_on_demand(variant.playlist.read_text()))
        (output / ffmpeg.MASTER).write_text(master(found, (output / ffmpeg.MASTER).parent))
        poster, movie = ffmpeg.poster_size(video.picture.size), mp4(video.picture.size)
        made = [
            MadeFile(ffmpeg.POSTER, poster.width, poster.height),
            MadeFile(ffmpeg.MP4, movie.size.width, movie.size.height, seconds),
            MadeFile(ffmpeg.MASTER, rungs[0].size.width, rungs[0].size.height, seconds),
            *(MadeFile(ffmpeg.playlist(rung), rung.size.width, rung.size.height, seconds) for rung in rungs),
        ]
        return [file for file in made if (output / file.name).exists()]

    def _judge(self, finished: Finished) -> None:
        if finished.code == 0:
            return
        log.info("ffmpeg.failed", code=finished.code, out_of=finished.out_of, detail=finished.stderr[-1000:])
        if finished.out_of is not None:
            raise LimitExceededError(f"Transcoding the video takes more {finished.out_of} than one file may take.")
        if "No space left on device" in finished.stderr or finished.code == -9:
            raise ChildFailedError(f"exit status {finished.code}")
        raise UnreadableMediaError("The video is damaged: it could not be decoded.")

    def _check_output(self, output: Path, wanted: list[str]) -> None:
        sizes = {str(path.relative_to(output)): path.stat().st_size for path in output.rglob("*") if path.is_file()}
        if sum(sizes.values()) > self.max_output_bytes:
            raise LimitExceededError("The renditions of the video would be larger than one file's may be.")
        if not all(sizes.get(name) for name in wanted):
            raise UnreadableMediaError("The video is damaged: it holds no pictures that could be shown.")


def variants(output: Path, video: Video) -> list[Variant]:
    """Those of the master playlist, best first."""
    rate, has_sound = video.picture.frame_rate, video.sound is not None
    return [Variant(output / ffmpeg.playlist(rung), rung, rate, has_sound) for rung in ladder(video.picture.size)]


class Progress:
    """Reads ffmpeg's `-progress` lines, which come in blocks of which each ends with `progress`."""

    def __init__(self, duration_seconds: float, on_percent: OnPercent, on_growth: OnGrowth) -> None:
        self._duration = duration_seconds
        self._on_percent = on_percent
        self._on_growth = on_growth

    def read(self, line: str) -> None:
        name, _, value = line.partition("=")
        if name == "out_time_us" and value.isdecimal() and self._duration > 0:
            self._on_percent(min(99, int(int(value) / 1e6 / self._duration * 100)))
        elif name == "progress":
            self._on_growth()


def check_complete(video: Video, made_seconds: float) -> None:
    """Raises UnreadableMediaError where much less was made than the streams hold that are used.

    As much may be missing as may be undecodable, and two frames more, with which streams begin and end.
    """
    if made_seconds + 2 / video.picture.frame_rate < video.seconds * (1 - ffmpeg.MAX_ERROR_RATE):
        raise UnreadableMediaError(
            f"The video is damaged: only {made_seconds:.0f} of {video.seconds:.0f} seconds could be decoded."
        )

"""Runs ffmpeg on a video and judges how it ended."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from libs.sandbox.sandbox import Finished, Limits, Sandbox
from services.transcoder.adapters import ffmpeg
from services.transcoder.adapters.child import ChildFailedError
from services.transcoder.domain.error import LimitExceededError, UnreadableMediaError
from services.transcoder.domain.ladder import ladder, mp4
from services.transcoder.domain.media import MadeFile, Source

log = structlog.get_logger()

OnPercent = Callable[[int], None]


@dataclass(frozen=True)
class Transcoder:
    sandbox: Sandbox
    program: Path
    limits: Limits
    threads: int
    max_pixels: int
    max_duration_seconds: float
    max_output_bytes: int

    async def run(self, path: Path, output: Path, source: Source, on_percent: OnPercent) -> list[MadeFile]:
        """Fills the empty folder `output`; answers the files worth naming, segments are not.

        Raises UnreadableMediaError, LimitExceededError or ChildFailedError.
        """
        assert source.size is not None
        if (source.info.duration_seconds or 0) > self.max_duration_seconds:
            raise LimitExceededError(f"The video is longer than {self.max_duration_seconds / 60:.0f} minutes.")
        rungs = ladder(source.size)
        for rung in rungs:
            (output / ffmpeg.playlist(rung)).parent.mkdir(parents=True)
        command = ffmpeg.command(self.program, path, output, source, threads=self.threads, max_pixels=self.max_pixels)
        progress = Progress(source.info.duration_seconds, on_percent)
        finished = await self.sandbox.run(command, folder=path.parent, limits=self.limits, on_line=progress.read)
        self._judge(finished)
        progress.check_complete(source.demuxer)
        poster, movie = ffmpeg.poster_size(source.size), mp4(source.size).size
        made = [
            MadeFile(ffmpeg.POSTER, poster.width, poster.height),
            MadeFile(ffmpeg.MP4, movie.width, movie.height),
            MadeFile(ffmpeg.MASTER, rungs[0].size.width, rungs[0].size.height),
            *(MadeFile(ffmpeg.playlist(rung), rung.size.width, rung.size.height) for rung in rungs),
        ]
        self._check_output(output, made)
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

    def _check_output(self, output: Path, made: list[MadeFile]) -> None:
        sizes = {str(path.relative_to(output)): path.stat().st_size for path in output.rglob("*") if path.is_file()}
        if sum(sizes.values()) > self.max_output_bytes:
            raise LimitExceededError("The renditions of the video would be larger than one file's may be.")
        if not all(sizes.get(file.name) for file in made if file.name != ffmpeg.POSTER):
            raise UnreadableMediaError("The video is damaged: it holds no pictures that could be shown.")


class Progress:
    """Reads ffmpeg's `-progress` lines."""

    def __init__(self, duration_seconds: float | None, on_percent: OnPercent) -> None:
        self._duration = duration_seconds
        self._on_percent = on_percent
        self._reached = 0.0

    def read(self, line: str) -> None:
        name, _, value = line.partition("=")
        if name != "out_time_us" or not value.isdecimal():
            return
        self._reached = int(value) / 1e6
        if self._duration:
            self._on_percent(min(99, int(self._reached / self._duration * 100)))

    def check_complete(self, demuxer: str) -> None:
        """Raises UnreadableMediaError where a container that knows its length holds much less than that."""
        if self._duration and demuxer in ("mov", "matroska") and self._reached < self._duration * 0.9 - 1:
            raise UnreadableMediaError(
                f"The video is incomplete: it ends after {self._reached:.0f} of {self._duration:.0f} seconds."
            )

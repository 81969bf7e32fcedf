"""Opens media files in sandboxed children of our own and reads their answers."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from contracts.events import AudioStream, ImageInfo, MediaInfo, VideoStream
from libs.image import VARIABLES
from libs.media_type.content import Content
from libs.sandbox.sandbox import PYTHON, Finished, Limits, Sandbox
from services.transcoder.domain.error import LimitExceededError, UnreadableMediaError
from services.transcoder.domain.ladder import shown_size
from services.transcoder.domain.media import MadeFile, Source

IMAGE_CHILD: Final = Path(__file__).with_name("image_child.py")
MEDIA_CHILD: Final = Path(__file__).with_name("media_child.py")
LIMITS: Final = Limits(wall_seconds=60, memory_bytes=2 << 30, cpu_seconds=60, file_bytes=1 << 30)
"""Neither writes much; what libvips cannot hold in memory goes to a file meanwhile."""
THUMBNAIL_EDGE: Final = 512
OUT_OF: Final = "Opening the file takes more {} than one file may take."

log = structlog.get_logger()


class ChildFailedError(Exception):
    """A child of ours ended without an answer for a reason that is not the file's."""

    code = "child_failed"


@dataclass(frozen=True)
class InspectedImage:
    info: ImageInfo | None
    thumbnail: MadeFile | None = None
    problem: Exception | None = None
    """Why there is no thumbnail where one was wanted: MediaError, or ChildFailedError, which may pass."""


@dataclass(frozen=True)
class Inspector:
    sandbox: Sandbox
    max_pixels: int
    limits: Limits = LIMITS

    async def image(self, path: Path, content: Content, output: Path | None) -> InspectedImage:
        """What the image is, and its thumbnail in the folder `output` where that is given.

        Raises UnreadableMediaError, LimitExceededError or ChildFailedError where not even the first is to be known.
        """
        said, problem = await self._ask_about_image(path, content, output)
        if output is None and isinstance(problem, LimitExceededError):
            problem = None  # nothing was to be made, so that nothing was too much
        if content.image_format == "svg" and isinstance(problem, UnreadableMediaError):
            problem = None  # whoever cannot see it may still read it: a sprite, for one, shows nothing by itself
        if "facts" not in said and problem is not None:
            raise problem
        info = ImageInfo.model_validate(said["facts"]) if "facts" in said else None
        made = said.get("thumbnail")
        return InspectedImage(info, MadeFile(**made) if made else None, problem)

    async def _ask_about_image(
        self, path: Path, content: Content, output: Path | None
    ) -> tuple[dict[str, Any], Exception | None]:
        """The lines of the child, together, and why there are no more."""
        said: dict[str, Any] = {}
        arguments = [str(content.image_format), str(self.max_pixels), str(THUMBNAIL_EDGE), str(output or "-")]
        finished = await self.sandbox.run(
            [*PYTHON, str(IMAGE_CHILD), str(path), *arguments], folder=path.parent, limits=self.limits,
            variables=VARIABLES, on_line=lambda line: said.update(json.loads(line)),
        )  # fmt: skip
        return said, self._problem(finished, said.get("error"), content)

    async def media(self, path: Path, content: Content) -> Source:
        """What is in the container. Raises UnreadableMediaError or LimitExceededError."""
        assert content.demuxer is not None
        answer = await self._ask(MEDIA_CHILD, path, [content.demuxer, str(self.max_pixels)], content)
        return _source(answer, content)

    async def _ask(self, child: Path, path: Path, arguments: list[str], content: Content) -> dict[str, Any]:
        command = [*PYTHON, str(child), str(path), *arguments]
        finished = await self.sandbox.run(command, folder=path.parent, limits=self.limits)
        answer: dict[str, Any] = json.loads(finished.stdout) if finished.code == 0 else {}
        if problem := self._problem(finished, answer.get("error"), content):
            raise problem
        return answer

    def _problem(self, finished: Finished, error: str | None, content: Content) -> Exception | None:
        """Why a child has no answer, or only a part of it."""
        if finished.out_of is not None:
            return LimitExceededError(OUT_OF.format(finished.out_of))
        if finished.code in (-6, -7, -8, -11):  # the decoder crashed: it would do so again
            error = "unreadable"
        elif finished.code != 0:
            return ChildFailedError(f"exit status {finished.code}: {finished.stderr[-300:]}")
        if error is None:
            return None
        log.info("inspection.refused", error=error, mime_type=content.mime_type, detail=finished.stderr[-300:])
        if error == "too_large":
            return LimitExceededError(f"The file is larger than the {self.max_pixels / 1e6:.0f} megapixels that are processed.")
        if error == "out_of_memory":
            return LimitExceededError(OUT_OF.format("memory"))
        return UnreadableMediaError(f"The file is damaged or not really {content.mime_type}.")


def _source(answer: dict[str, Any], content: Content) -> Source:
    info = MediaInfo(
        format=content.mime_type.partition("/")[2].removeprefix("x-"),
        duration_seconds=answer["duration_seconds"],
        bitrate_bps=answer["bitrate_bps"],
        video=tuple(VideoStream.model_validate(video) for video in answer["video"]),
        audio=tuple(AudioStream.model_validate(audio) for audio in answer["audio"]),
    )
    video = answer["video"][0] if answer["video"] else None
    audio = answer["audio"][0] if answer["audio"] else None
    return Source(
        info=info,
        demuxer=str(content.demuxer),
        size=shown_size(video["width"], video["height"], video["rotation"], video["pixel_ratio"]) if video else None,
        video_index=video["index"] if video else None,
        audio_index=audio["index"] if audio else None,
        audio_channels=min(2, audio["channels"] or 2) if audio else 2,
    )

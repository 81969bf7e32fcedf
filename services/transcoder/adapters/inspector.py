"""Opens media files in sandboxed children of our own and reads their answers."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from contracts.events import AudioStream, ImageInfo, MediaInfo, VideoStream
from libs.media_type.content import Content
from libs.sandbox.sandbox import PYTHON, Finished, Limits, Sandbox
from services.transcoder.domain.error import LimitExceededError, UnreadableMediaError
from services.transcoder.domain.ladder import shown_size
from services.transcoder.domain.media import MadeFile, Source

IMAGE_CHILD: Final = Path(__file__).with_name("image_child.py")
MEDIA_CHILD: Final = Path(__file__).with_name("media_child.py")
LIMITS: Final = Limits(wall_seconds=60, memory_bytes=2 << 30, cpu_seconds=60, file_bytes=64 << 20)
THUMBNAIL_EDGE: Final = 512

log = structlog.get_logger()


class ChildFailedError(Exception):
    """A child of ours ended without an answer for a reason that is not the file's."""

    code = "child_failed"


@dataclass(frozen=True)
class Inspector:
    sandbox: Sandbox
    max_pixels: int
    limits: Limits = LIMITS

    async def image(self, path: Path, content: Content, output: Path | None) -> tuple[ImageInfo, MadeFile | None]:
        """What the image is, and its thumbnail in the folder `output` where that is given.

        Raises UnreadableMediaError or LimitExceededError.
        """
        edge = THUMBNAIL_EDGE if output else 0
        arguments = [str(content.image_format), str(self.max_pixels), str(edge), str(output or "-")]
        answer = await self._ask(IMAGE_CHILD, path, arguments, content)
        made = answer.pop("thumbnail", None)
        return ImageInfo.model_validate(answer), MadeFile(**made) if made else None

    async def media(self, path: Path, content: Content) -> Source:
        """What is in the container. Raises UnreadableMediaError or LimitExceededError."""
        assert content.demuxer is not None
        answer = await self._ask(MEDIA_CHILD, path, [content.demuxer, str(self.max_pixels)], content)
        return _source(answer, content)

    async def _ask(self, child: Path, path: Path, arguments: list[str], content: Content) -> dict[str, Any]:
        command = [*PYTHON, str(child), str(path), *arguments]
        finished = await self.sandbox.run(command, folder=path.parent, limits=self.limits)
        answer = _answer(finished)
        if error := answer.get("error"):
            log.info("inspection.refused", error=error, mime_type=content.mime_type, detail=finished.stderr[-300:])
        if error == "too_large":
            raise LimitExceededError(f"The file is larger than the {self.max_pixels / 1e6:.0f} megapixels that are processed.")
        if error:
            raise UnreadableMediaError(f"The file is damaged or not really {content.mime_type}.")
        return answer


def _answer(finished: Finished) -> dict[str, Any]:
    if finished.out_of is not None:
        raise LimitExceededError(f"Opening the file takes more {finished.out_of} than one file may take.")
    if finished.code in (-6, -7, -8, -11):  # the decoder crashed: it would do so again
        return {"error": "unreadable"}
    if finished.code != 0:
        raise ChildFailedError(f"exit status {finished.code}: {finished.stderr[-300:]}")
    answer: dict[str, Any] = json.loads(finished.stdout)
    return answer


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

"""Opens media files in sandboxed children of our own and reads their answers."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from contracts.events import AudioStream, MediaInfo, VideoStream
from libs.media_type.content import Content
from libs.sandbox.sandbox import PYTHON, Limits, Sandbox
from services.transcoder.adapters.child import find_problem
from services.transcoder.domain.ladder import shown_size
from services.transcoder.domain.media import Source

MEDIA_CHILD: Final = Path(__file__).with_name("media_child.py")
LIMITS: Final = Limits(wall_seconds=60, memory_bytes=2 << 30, cpu_seconds=60, file_bytes=64 << 20)


@dataclass(frozen=True)
class Inspector:
    sandbox: Sandbox
    max_pixels: int
    limits: Limits = LIMITS

    async def media(self, path: Path, content: Content) -> Source:
        """What is in the container. Raises UnreadableMediaError or LimitExceededError."""
        assert content.demuxer is not None
        answer = await self._ask(MEDIA_CHILD, path, [content.demuxer, str(self.max_pixels)], content)
        return _source(answer, content)

    async def _ask(self, child: Path, path: Path, arguments: list[str], content: Content) -> dict[str, Any]:
        command = [*PYTHON, str(child), str(path), *arguments]
        finished = await self.sandbox.run(command, folder=path.parent, limits=self.limits)
        answer: dict[str, Any] = json.loads(finished.stdout) if finished.code == 0 else {}
        if problem := find_problem(finished, answer.get("error"), content.mime_type, self.max_pixels):
            raise problem
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

"""Opens media files in sandboxed children of our own and reads their answers."""

import asyncio
import json
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from contracts.events import AudioStream, MediaInfo, VideoStream
from libs.media_type.content import Content
from libs.sandbox.preloaded import PreloadedPrograms
from libs.sandbox.sandbox import Limits
from services.transcoder.adapters import program
from services.transcoder.adapters.child import find_problem
from services.transcoder.adapters.container import is_cut_off
from services.transcoder.domain.color import Color, with_defaults
from services.transcoder.domain.ladder import shown_size
from services.transcoder.domain.media import Picture, Sound, Source, Video, choose_poster_time, rendition_rate

LIMITS: Final = Limits(wall_seconds=60, memory_bytes=2 << 30, cpu_seconds=60, file_bytes=64 << 20)
READ_BYTES_PER_SECOND: Final = 16 << 20
"""Media files are read to their end; that may take so much longer."""


@dataclass(frozen=True)
class Inspector:
    programs: PreloadedPrograms
    max_pixels: int
    limits: Limits = LIMITS

    async def media(self, path: Path, content: Content) -> Source:
        """What is in the container. Raises UnreadableMediaError or LimitExceededError."""
        assert content.demuxer is not None
        arguments = [str(path), content.demuxer, str(self.max_pixels), str(content.skipped_bytes)]
        size = (await asyncio.to_thread(path.stat)).st_size
        limits = _longer(self.limits, size // READ_BYTES_PER_SECOND)
        answer = await self._ask(path.parent, arguments, content, limits)
        shown_by_container = await asyncio.to_thread(is_cut_off, path, content.demuxer)
        if shown_by_container is not None:
            answer["is_cut_off"] = shown_by_container
        return _source(answer, content)

    async def _ask(self, folder: Path, arguments: list[str], content: Content, limits: Limits) -> dict[str, Any]:
        finished = await self.programs.run(program.MEDIA, arguments, folder=folder, limits=limits)
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
    return Source(info, _video(answer, str(content.demuxer)) if answer["picture"] else None)


def _video(answer: dict[str, Any], demuxer: str) -> Video:
    sound = answer["sound"]
    return Video(
        demuxer=demuxer,
        picture=_picture(answer),
        sound=Sound(sound["index"], min(2, sound["channels"] or 2), sound["end_seconds"]) if sound else None,
        start_seconds=answer["start_seconds"],
        is_cut_off=answer["is_cut_off"],
    )


def _picture(answer: dict[str, Any]) -> Picture:
    video, picture = answer["video"][0], answer["picture"]
    size = shown_size(video["width"], video["height"], video["rotation"], picture["pixel_ratio"])
    nominal = Fraction(picture["frame_rate"])
    return Picture(
        index=picture["index"],
        size=size,
        nominal_rate=nominal,
        frame_rate=rendition_rate(nominal, picture["frames"], answer["duration_seconds"] or 0),
        color=with_defaults(Color(**picture["color"]), size),
        end_seconds=picture["end_seconds"],
        poster_seconds=choose_poster_time(picture["first_times"], picture["end_seconds"]),
    )


def _longer(limits: Limits, seconds: int) -> Limits:
    return replace(limits, wall_seconds=limits.wall_seconds + seconds, cpu_seconds=limits.cpu_seconds + seconds)

"""What inspection found out about a video or audio file."""

from dataclasses import dataclass

from contracts.events import MediaInfo
from services.transcoder.domain.ladder import Size


@dataclass(frozen=True)
class Source:
    """`video_index` and `audio_index` are ffmpeg's stream numbers; `size` is that of the picture as it is shown."""

    info: MediaInfo
    demuxer: str
    size: Size | None = None
    video_index: int | None = None
    audio_index: int | None = None
    audio_channels: int = 2


@dataclass(frozen=True)
class MadeFile:
    """A file that was derived, by its path below the job's output folder."""

    name: str
    width: int
    height: int

"""What inspection found out about a video or audio file."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from contracts.events import MediaInfo
from services.transcoder.domain.color import Color
from services.transcoder.domain.ladder import Size

MIN_FRAME_RATE: Final = 5
"""Pictures that stand for long are repeated, so that segments can begin every few seconds and sound waits for no picture."""
MAX_FRAME_RATE: Final = 60


@dataclass(frozen=True)
class Picture:
    """The video stream that is used."""

    index: int
    """ffmpeg's number of the stream."""
    size: Size
    """As it is shown: upright, with square pixels."""
    frame_rate: Fraction
    """Of the renditions: constant, frames are repeated or left out where those of the stream are not."""
    color: Color
    end_seconds: float
    """When its last frame ends, from the beginning of the file."""


@dataclass(frozen=True)
class Sound:
    """The audio stream that is used."""

    index: int
    channels: int
    """Of the renditions."""
    end_seconds: float


@dataclass(frozen=True)
class Video:
    """The streams of a video that are used: they alone decide how long it is."""

    demuxer: str
    """ffmpeg's word for the one that may open it."""
    picture: Picture
    sound: Sound | None = None
    start_seconds: float = 0
    """When the first of both begins; streams that are not used may begin earlier."""
    is_cut_off: bool = False
    """True where the container shows that its end is missing."""

    @property
    def end_seconds(self) -> float:
        """When the last of both ends."""
        return max(self.picture.end_seconds, self.sound.end_seconds if self.sound else 0)

    @property
    def seconds(self) -> float:
        return self.end_seconds - self.start_seconds


@dataclass(frozen=True)
class Source:
    """`video` is None where there is only sound, which is described and left as it is."""

    info: MediaInfo
    video: Video | None = None


@dataclass(frozen=True)
class MadeFile:
    """A file that was derived, by its path below the job's output folder."""

    name: str
    width: int
    height: int
    duration_seconds: float | None = None


def rendition_rate(nominal: Fraction | None, frames: int, duration_seconds: float) -> Fraction:
    """Frames per second of the renditions, given those of the stream, the number of its frames and the length of the film.

    A single picture lasts as long as the film, whatever rate it was stored with.
    """
    rate = nominal or Fraction(25)
    if frames == 1 and duration_seconds > 0:
        rate = 1 / Fraction(duration_seconds).limit_denominator(1000)
    return min(max(rate, Fraction(MIN_FRAME_RATE)), Fraction(MAX_FRAME_RATE))

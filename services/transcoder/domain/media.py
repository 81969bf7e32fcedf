"""What inspection found out about a video or audio file."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
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
    nominal_rate: Fraction
    """Frames per second, as far as the stream has a rate."""
    frame_rate: Fraction
    """Of the renditions: constant, frames are repeated or left out."""
    color: Color
    end_seconds: float
    """When its last frame ends."""
    poster_seconds: float = 0
    """When the frame begins that represents it."""


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
    """When the first of both begins, in the file: streams that are not used may begin earlier. Other times count from here."""
    is_cut_off: bool = False
    """True where the container shows that its end is missing."""

    @property
    def seconds(self) -> float:
        """From the beginning of the one to the end of the other."""
        return max(self.picture.end_seconds, self.sound.end_seconds if self.sound else 0)


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


def rendition_rate(nominal: Fraction, frames: int, seconds: float) -> Fraction:
    """Frames per second of the renditions, given those of the stream, the number of its frames and the length of the film.

    A single picture lasts as long as the film, whatever rate it was stored with; of very many pictures each second,
    third, … is taken.
    """
    if frames == 1 and seconds > 0:
        nominal = 1 / Fraction(seconds).limit_denominator(1000)
    return max(nominal / ceil(nominal / MAX_FRAME_RATE), Fraction(MIN_FRAME_RATE))


def choose_poster_time(times: Sequence[float], seconds: float) -> float:
    """Of the times when the first frames begin, the one nearest to a tenth of the film, at most 3 s: past a black beginning."""
    wanted = min(3.0, seconds / 10)
    return min(times, key=lambda time: abs(time - wanted), default=0.0)

"""How large the renditions of a video are: never larger than it, always even, in its own shape."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

RUNG_HEIGHTS: Final = (1080, 720, 480, 360, 240)
MAX_WIDTH: Final = 4096
"""Players of H.264 seldom go beyond."""

_KBPS: Final = ((240, 400, 64), (360, 800, 96), (480, 1400, 128), (720, 2800, 128), (1080, 5000, 160))
"""Up to this height: at most so much video, and so much audio."""


@dataclass(frozen=True)
class Size:
    width: int
    height: int


@dataclass(frozen=True)
class Rung:
    """One quality: a variant of the HLS ladder, or the MP4."""

    name: str
    size: Size
    video_kbps: int
    audio_kbps: int


def shown_size(width: int, height: int, rotation: int = 0, pixel_ratio: float = 1.0) -> Size:
    """The size with square pixels and upright. It shrinks one side and never enlarges the other."""
    if pixel_ratio > 1:
        height = max(1, round(height / pixel_ratio))
    elif pixel_ratio < 1:
        width = max(1, round(width * pixel_ratio))
    return Size(height, width) if rotation % 180 == 90 else Size(width, height)


def fit(size: Size, width: int, height: int) -> Size:
    """`size` scaled down, if need be, into `width` x `height`; both sides even, as 4:2:0 video has them."""
    scale = min(1.0, width / size.width, height / size.height)
    return Size(_even(size.width * scale), _even(size.height * scale))


def fit_picture(size: Size, edge: int) -> Size:
    """The same for a still picture, which need not be even."""
    scale = min(1.0, edge / size.width, edge / size.height)
    return Size(max(1, int(size.width * scale)), max(1, int(size.height * scale)))


def bounding_size(sizes: Sequence[Size]) -> Size:
    """The smallest size that none of `sizes` goes beyond."""
    return Size(max(size.width for size in sizes), max(size.height for size in sizes))


def mp4(size: Size) -> Rung:
    """At most 1080p: 1920x1080, or 1080x1920 where the video stands upright."""
    box = (1920, 1080) if size.width >= size.height else (1080, 1920)
    return _rung("mp4", fit(size, *box))


def ladder(size: Size) -> tuple[Rung, ...]:
    """The HLS rungs, best first: the usual heights that the video has; its own height where it is smaller than all."""
    heights = [height for height in RUNG_HEIGHTS if height <= size.height] or [_even(size.height)]
    return tuple(_rung(f"{height}p", fit(size, MAX_WIDTH, height)) for height in heights)


def _rung(name: str, size: Size) -> Rung:
    short = min(size.width, size.height)
    _, video, audio = next((row for row in _KBPS if short <= row[0]), _KBPS[-1])
    return Rung(name, size, video, audio)


def _even(length: float) -> int:
    return max(2, int(length + 1e-6) // 2 * 2)

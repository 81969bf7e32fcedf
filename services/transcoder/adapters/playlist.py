"""HLS playlists (RFC 8216): reads those of the variants, writes the one that lists them.

While a video is being made, the playlists of its variants are of the type EVENT: segments are added at their ends and nothing
else changes. At last they become VOD.

ffmpeg's own master playlist names no frame rates, and leaves out variants that are shorter than half a second.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Final

from services.transcoder.domain.ladder import Rung

SEGMENT_SECONDS: Final = 4
BUFFERED_SECONDS: Final = 2
"""Of the encoder's buffer (`-bufsize`), at the highest bit rate."""
CONTAINER_SHARE: Final = 1.1
"""So much larger the transport stream is, at most, than what it carries."""

MIN_PEAK_SECONDS: Final = 0.5
"""Shorter segments say nothing about the peak bit rate."""

MAX_BYTES: Final = 4 << 20
"""Of one: a day has 21,600 segments."""

_EVENT: Final = "#EXT-X-PLAYLIST-TYPE:EVENT"
_VOD: Final = "#EXT-X-PLAYLIST-TYPE:VOD"
_EXTINF: Final = "#EXTINF:"
_AAC_LC: Final = "mp4a.40.2"
_SPS: Final = re.compile(rb"\x00\x00\x01[\x27\x47\x67](...)", re.DOTALL)
"""A sequence parameter set, and its first three bytes: profile, constraints and level of H.264 (RFC 6381)."""


@dataclass(frozen=True)
class Segment:
    path: Path
    seconds: float


@dataclass(frozen=True)
class Variant:
    """One entry of the master playlist; `playlist` lies below the folder of that."""

    playlist: Path
    rung: Rung
    frame_rate: Fraction
    has_sound: bool


def segments(playlist: Path) -> list[Segment]:
    lines = playlist.read_text().splitlines()
    return [
        Segment(playlist.parent / name, float(line.removeprefix(_EXTINF).partition(",")[0]))
        for line, name in pairwise(lines)
        if line.startswith(_EXTINF)
    ]


def segment_names(playlist: str) -> list[str]:
    """Of the text of a variant's playlist."""
    return [line for line in playlist.splitlines() if line and not line.startswith("#")]


def as_video_on_demand(playlist: str) -> str:
    """The text of a playlist that has grown to its end."""
    return playlist.replace(_EVENT, _VOD)


def master(variants: Sequence[Variant], folder: Path) -> str:
    """The playlist in `folder` that lists them, once all of their segments are there."""
    return _master(variants, folder, _measured)


def growing_master(variants: Sequence[Variant], folder: Path) -> str:
    """The same once each has its first segment: the bit rates of those that follow are not known, but bounded."""
    return _master(variants, folder, _bounded)


def _master(variants: Sequence[Variant], folder: Path, bandwidth: Callable[[Variant], str]) -> str:
    lines = ["#EXTM3U", "#EXT-X-VERSION:6", "#EXT-X-INDEPENDENT-SEGMENTS"]
    for variant in variants:
        codecs = [_video_codec(segments(variant.playlist)[0].path), *([_AAC_LC] if variant.has_sound else [])]
        size = variant.rung.size
        lines += [
            f'#EXT-X-STREAM-INF:{bandwidth(variant)},CODECS="{",".join(codecs)}",RESOLUTION={size.width}x{size.height},'
            f"FRAME-RATE={float(variant.frame_rate):.3f}",
            variant.playlist.relative_to(folder).as_posix(),
        ]
    return "\n".join(lines) + "\n"


def _measured(variant: Variant) -> str:
    """Attributes of EXT-X-STREAM-INF, 4.3.4.2."""
    found = segments(variant.playlist)
    sizes = {segment: segment.path.stat().st_size for segment in found}
    average = sum(sizes.values()) * 8 / sum(segment.seconds for segment in found)
    peaks = [size * 8 / segment.seconds for segment, size in sizes.items() if segment.seconds >= MIN_PEAK_SECONDS]
    return f"BANDWIDTH={round(max(peaks, default=average))},AVERAGE-BANDWIDTH={round(average)}"


def _bounded(variant: Variant) -> str:
    """In a segment, what the encoder has saved up comes on top: at most two seconds' worth."""
    rung = variant.rung
    most = rung.video_kbps * (SEGMENT_SECONDS + BUFFERED_SECONDS) / SEGMENT_SECONDS + rung.audio_kbps
    return f"BANDWIDTH={round(most * CONTAINER_SHARE) * 1000}"


def _video_codec(segment: Path) -> str:
    """Every segment begins with what a decoder must know. Raises ValueError where it does not."""
    found = _SPS.search(segment.read_bytes())
    if found is None:
        raise ValueError(f"{segment.name} begins without a sequence parameter set.")
    return f"avc1.{found[1].hex()}"

"""HLS playlists (RFC 8216): reads those of the variants, writes the one that lists them.

ffmpeg's own master playlist names no frame rates, and leaves out variants that are shorter than half a second.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Final

from services.transcoder.domain.ladder import Size

MIN_PEAK_SECONDS: Final = 0.5
"""Shorter segments say nothing about the peak bit rate."""

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
    size: Size
    frame_rate: Fraction
    has_sound: bool


def segments(playlist: Path) -> list[Segment]:
    lines = playlist.read_text().splitlines()
    return [
        Segment(playlist.parent / name, float(line.removeprefix(_EXTINF).partition(",")[0]))
        for line, name in pairwise(lines)
        if line.startswith(_EXTINF)
    ]


def write_master(path: Path, variants: Sequence[Variant]) -> None:
    lines = ["#EXTM3U", "#EXT-X-VERSION:6", "#EXT-X-INDEPENDENT-SEGMENTS"]
    for variant in variants:
        lines += [_stream(variant), variant.playlist.relative_to(path.parent).as_posix()]
    path.write_text("\n".join(lines) + "\n")


def _stream(variant: Variant) -> str:
    """EXT-X-STREAM-INF, 4.3.4.2."""
    found = segments(variant.playlist)
    sizes = {segment: segment.path.stat().st_size for segment in found}
    average = sum(sizes.values()) * 8 / sum(segment.seconds for segment in found)
    peaks = [size * 8 / segment.seconds for segment, size in sizes.items() if segment.seconds >= MIN_PEAK_SECONDS]
    codecs = [_video_codec(found[0].path), *([_AAC_LC] if variant.has_sound else [])]
    return (
        f"#EXT-X-STREAM-INF:BANDWIDTH={round(max(peaks, default=average))},AVERAGE-BANDWIDTH={round(average)},"
        f'CODECS="{",".join(codecs)}",RESOLUTION={variant.size.width}x{variant.size.height},'
        f"FRAME-RATE={float(variant.frame_rate):.3f}"
    )


def _video_codec(segment: Path) -> str:
    """Every segment begins with what a decoder must know. Raises ValueError where it does not."""
    found = _SPS.search(segment.read_bytes())
    if found is None:
        raise ValueError(f"{segment.name} begins without a sequence parameter set.")
    return f"avc1.{found[1].hex()}"

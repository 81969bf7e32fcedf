"""The filter graph of a video: its pictures are decoded once, made what every player shows right, and scaled for each output.

https://ffmpeg.org/ffmpeg-filters.html
"""

from collections.abc import Sequence
from typing import Final

from services.transcoder.domain.color import BT709, Color
from services.transcoder.domain.ladder import Rung, Size, covering
from services.transcoder.domain.media import Video

MIN_DEINTERLACED_EDGE: Final = 4
"""`bwdif` takes nothing smaller."""
WHITE_NITS: Final = 203
"""HDR reference white, which becomes the white of SDR; ITU-R BT.2408."""
BRIGHTEST_NITS: Final = 10_000
"""Where the scale of PQ ends."""
KEPT_SHARE: Final = 0.9
"""Up to this share of white, light stays as it is; all that is brighter is pressed into the rest."""


def graph(video: Video, rungs: Sequence[Rung], poster: Size) -> str:
    """Video of the streams' whole length for each rung as `[<name>]`, and one or two pictures as `[poster]`."""
    pictures = [
        *_progressive(video.picture.size),
        *_steady(video),
        *_standard_color(video.picture.color, covering([rung.size for rung in rungs])),
        *_held(video),
    ]
    outputs = {rung.name: [_scale(rung.size), "format=yuv420p"] for rung in rungs} | {"poster": _poster(video, poster)}
    return ";".join(
        [
            f"[0:{video.picture.index}]{','.join(pictures)},split={len(outputs)}{''.join(f'[in_{name}]' for name in outputs)}",
            *(f"[in_{name}]{','.join(steps)}[{name}]" for name, steps in outputs.items()),
        ]
    )


def _progressive(size: Size) -> list[str]:
    """Frames that are marked as interlaced lose their combs, all others pass."""
    return ["bwdif=mode=send_frame:deint=interlaced"] if min(size.width, size.height) >= MIN_DEINTERLACED_EDGE else []


def _steady(video: Video) -> list[str]:
    """A constant frame rate from the beginning on; the last frame keeps its length."""
    return [f"fps=fps={video.picture.frame_rate}:start_time={video.start_seconds}"]


def _held(video: Video) -> list[str]:
    """The last picture stands as long as there is sound: players stop where one of both is missing."""
    missing = video.end_seconds - video.picture.end_seconds
    return [f"tpad=stop_mode=clone:stop_duration={missing:.3f}"] if missing * video.picture.frame_rate > 1 else []


def _standard_color(color: Color, size: Size) -> list[str]:
    """BT.709 in limited range, tagged so. What has to be computed is computed once, in the largest `size` that is needed."""
    told = (
        f"setparams=colorspace={color.matrix}:color_primaries={color.primaries}:color_trc={color.transfer}"
        f":range={'pc' if color.is_full_range else 'tv'}"
    )
    if not color.is_converted:
        return [told]
    into_bt709 = f"zscale=m={BT709}:r=tv:p={BT709 if color.is_wide else color.primaries}"
    if not color.is_hdr:
        return [told, _scale(size), into_bt709, "format=yuv420p"]
    return [
        told, _scale(size), f"zscale=t=linear:npl={WHITE_NITS}:p={BT709}", "format=gbrpf32le",
        f"tonemap=mobius:param={KEPT_SHARE}:desat=0:peak={BRIGHTEST_NITS / WHITE_NITS:.3f}",
        f"{into_bt709}:t={BT709}", "format=yuv420p",
    ]  # fmt: skip


def _poster(video: Video, size: Size) -> list[str]:
    """The first picture, and the one that is shown a while later, where there is one. JFIF has BT.601 in full range."""
    number = int(poster_at(video.picture.end_seconds - video.start_seconds) * video.picture.frame_rate)
    color = "out_color_matrix=smpte170m:out_range=full"
    return [rf"select='eq(n\,0)+eq(n\,{number})'", f"{_scale(size)}:{color}", "format=yuvj420p"]


def poster_at(duration_seconds: float) -> float:
    """A tenth into the video, at most 3 s: past a black first frame."""
    return min(3.0, duration_seconds / 10)


def _scale(size: Size) -> str:
    return f"scale={size.width}:{size.height}"

"""The filter graph of a video: its pictures are decoded once, made what every player shows right, and scaled for each output.

https://ffmpeg.org/ffmpeg-filters.html
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from services.transcoder.domain.color import BT709, Color
from services.transcoder.domain.ladder import Rung, Size, bounding_size
from services.transcoder.domain.media import Picture, Video

NEAR_ENOUGH: Final = Fraction(9, 10)
"""Of the time between two frames: clocks are not exact."""
CLOCK_SECONDS: Final = 0.002
"""So inexact may be the times that were measured."""
MIN_DEINTERLACED_EDGE: Final = 4
"""`bwdif` takes nothing smaller."""
WHITE_NITS: Final = 203
"""HDR reference white, which becomes the white of SDR; ITU-R BT.2408."""
BRIGHTEST_NITS: Final = 10_000
"""Where the scale of PQ ends."""
HDR_SIDE_DATA: Final = (
    "MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL", "DYNAMIC_HDR_PLUS", "DYNAMIC_HDR_VIVID", "DOVI_METADATA",
    "DOVI_RPU_BUFFER", "AMBIENT_VIEWING_ENVIRONMENT",
)  # fmt: skip
"""What frames say of HDR displays; the encoder would write it into SDR video."""
KEPT_SHARE: Final = 0.9
"""Up to this share of white, light stays as it is; all that is brighter is pressed into the rest."""


def filter_graph(video: Video, rungs: Sequence[Rung], poster: Size) -> str:
    """Video of the streams' whole length for each rung as `[<name>]`, and one or two pictures as `[poster]`."""
    pictures = [
        *_deinterlace(video.picture.size),
        *_hold_last_picture(video),
        *_limit_frame_rate(video.picture),
        *_convert_color(video.picture.color, bounding_size([rung.size for rung in rungs])),
    ]
    outputs = {rung.name: [_scale(rung.size), "setsar=1", "format=yuv420p"] for rung in rungs}
    outputs["poster"] = _poster(video.picture, poster)
    return ";".join(
        [
            f"[0:{video.picture.index}]{','.join(pictures)},split={len(outputs)}{''.join(f'[in_{name}]' for name in outputs)}",
            *(f"[in_{name}]{','.join(steps)}[{name}]" for name, steps in outputs.items()),
        ]
    )


def _deinterlace(size: Size) -> list[str]:
    """Frames that are marked as interlaced lose their combs, all others pass."""
    return ["bwdif=mode=send_frame:deint=interlaced"] if min(size.width, size.height) >= MIN_DEINTERLACED_EDGE else []


def _hold_last_picture(video: Video) -> list[str]:
    """The last picture stands as long as there is sound: players stop where one of both is missing."""
    if (video.seconds - video.picture.end_seconds) * video.picture.frame_rate <= 1:
        return []
    return ["tpad=stop_mode=clone:stop=-1", f"trim=end={video.seconds}"]


def _limit_frame_rate(picture: Picture) -> list[str]:
    """Frames that no rendition takes cost nothing."""
    if picture.frame_rate >= picture.nominal_rate:
        return []
    distance = float(NEAR_ENOUGH / picture.frame_rate)
    return [rf"select='isnan(prev_selected_t)+gte(t-prev_selected_t\,{distance:.6f})'"]


def _convert_color(color: Color, size: Size) -> list[str]:
    """BT.709 in limited range, tagged so. What has to be computed is computed once, in the largest `size` that is needed."""
    declared = (
        f"setparams=colorspace={color.matrix}:color_primaries={color.primaries}:color_trc={color.transfer}"
        f":range={'pc' if color.is_full_range else 'tv'}"
    )
    scaled = f"zscale=w={size.width}:h={size.height}:f=bicubic"
    if color.is_hdr:
        return [
            declared, f"{scaled}:t=linear:npl={WHITE_NITS}:p={BT709}", "format=gbrpf32le",
            f"tonemap=mobius:param={KEPT_SHARE}:desat=0:peak={BRIGHTEST_NITS / WHITE_NITS:.3f}",
            f"zscale=m={BT709}:t={BT709}:r=tv", "format=yuv420p", *(f"sidedata=delete:{kind}" for kind in HDR_SIDE_DATA),
        ]  # fmt: skip
    if color.is_converted:
        primaries = BT709 if color.is_wide else color.primaries
        return [declared, f"{scaled}:m={BT709}:p={primaries}:r=tv", "format=yuv420p"]
    return [declared]


def _poster(picture: Picture, size: Size) -> list[str]:
    """The first picture, and the one of the poster's time, where there is one. JFIF has BT.601 in full range."""
    wanted = [r"eq(n\,0)"]
    if picture.poster_seconds > 0:
        wanted.append(rf"gte(t\,{picture.poster_seconds - CLOCK_SECONDS:.3f})")
    color = "out_color_matrix=smpte170m:out_range=full"
    return [f"select='{'+'.join(wanted)}'", f"{_scale(size)}:{color}", "setsar=1", "format=yuvj420p"]


def _scale(size: Size) -> str:
    return f"scale={size.width}:{size.height}"

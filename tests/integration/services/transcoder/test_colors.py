"""Every rendition is progressive BT.709 in limited range, and shows the colors of its source."""

import re
import subprocess
from pathlib import Path
from typing import Final

import av
import imageio_ffmpeg
import pytest
from PIL import Image

from tests.integration.services.transcoder.samples import Samples
from tests.integration.services.transcoder.workbench import Transcoded, transcoded

Rgb = tuple[int, ...]

PATCHES: Final[tuple[Rgb, ...]] = ((200, 60, 40), (40, 160, 90), (60, 70, 200), (230, 230, 230))
BT709: Final = 1
LIMITED: Final = 1
UNTOLD: Final = ",setparams=colorspace=unknown:color_primaries=unknown:color_trc=unknown:range=unknown"


def patches(matrix: str, colors: str, pixels: str, untold: str = "") -> str:
    """A film of four patches of 32x32 whose pixels stand for colors as `matrix` says, in the range `colors`."""
    parts = ";".join(f"color=0x{bytes(rgb).hex()}:s=32x32:r=25:d=0.2,format=gbrp[p{n}]" for n, rgb in enumerate(PATCHES))
    told = "setparams=colorspace=gbr:color_primaries=bt709:color_trc=bt709:range=pc"
    return f"{parts};[p0][p1][p2][p3]hstack=4,{told},zscale=m={matrix}:r={colors},format={pixels}{untold}"


def shown(frame: av.VideoFrame, x: int, y: int) -> Rgb:
    """What a player of BT.709 in limited range makes of a pixel; ITU-R BT.709, 3."""
    luma, blue, red = (
        bytes(plane)[y // step * plane.line_size + x // step] for plane, step in zip(frame.planes, (1, 2, 2), strict=True)
    )
    light, pb, pr = (luma - 16) / 219, (blue - 128) / 224, (red - 128) / 224
    rgb = (light + 1.5748 * pr, light - 0.1873 * pb - 0.4681 * pr, light + 1.8556 * pb)
    return tuple(max(0, min(255, round(255 * part))) for part in rgb)


def first_frame(path: Path) -> av.VideoFrame:
    with av.open(str(path)) as container:
        return next(container.decode(video=0))


def check_tags(made: Transcoded) -> None:
    rung = next(name for name in made.files if name.startswith("hls/") and name.endswith("index.m3u8"))
    for path in (made.path("video.mp4"), made.path(rung).with_name("00000.ts")):
        frame = first_frame(path)
        assert frame.format.name == "yuv420p"
        assert (frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range) == (BT709, BT709, BT709, LIMITED)
        assert frame.side_data.get("MASTERING_DISPLAY_METADATA") is None
        assert frame.side_data.get("CONTENT_LIGHT_LEVEL") is None


@pytest.mark.parametrize(
    ("matrix", "colors", "pixels", "untold"),
    [
        ("bt709", "tv", "yuv420p", ""),
        ("bt709", "pc", "yuv444p10le", ""),
        ("smpte170m", "tv", "yuv422p", ""),
        ("smpte170m", "tv", "yuv420p", UNTOLD),
        ("bt2020nc", "tv", "yuv420p10le", ""),
        ("ycgco", "tv", "yuv444p", ""),
        ("smpte240m", "pc", "yuv422p10le", ""),
        ("gbr", "pc", "gbrp", ""),
    ],
    ids=["BT.709", "full range, 10 bit, 4:4:4", "BT.601", "nothing told", "BT.2020 matrix", "YCgCo", "SMPTE 240M", "RGB"],
)
async def test_colors_stay_what_they_are(
    samples: Samples, tmp_path: Path, matrix: str, colors: str, pixels: str, untold: str
) -> None:
    film = patches(matrix, colors, pixels, untold)
    content = samples.film(f"{matrix}-{colors}-{pixels}-{bool(untold)}.mkv", film, options=("-c:v", "ffv1", "-pix_fmt", pixels))

    made = await transcoded(content, tmp_path)

    check_tags(made)
    frame = first_frame(made.path("video.mp4"))
    with Image.open(made.path("poster.jpg")) as poster:
        for number, rgb in enumerate(PATCHES):
            assert shown(frame, 32 * number + 16, 16) == pytest.approx(rgb, abs=6)
            assert poster.getpixel((32 * number + 16, 16)) == pytest.approx(rgb, abs=6)


# The luma codes of 203 cd/m², the white of HDR, and of 50 cd/m², in limited range of 10 bits: ITU-R BT.2408, BT.2100.
@pytest.mark.parametrize(
    ("transfer", "white", "middle"), [("smpte2084", 573, 450), ("arib-std-b67", 721, 499)], ids=["PQ", "HLG"]
)
@pytest.mark.parametrize("primaries", ["bt2020", "unknown"])
async def test_hdr_is_shown_as_bright_as_sdr(
    samples: Samples, tmp_path: Path, transfer: str, white: int, middle: int, primaries: str
) -> None:
    parts = ";".join(
        f"color=gray:s=32x32:r=25:d=0.2,format=yuv420p10,lutyuv=y={luma}:u=512:v=512[p{n}]"
        for n, luma in enumerate((white, middle))
    )
    matrix = "bt2020nc" if primaries == "bt2020" else "unknown"
    told = f"setparams=colorspace={matrix}:color_primaries={primaries}:color_trc={transfer}:range=tv"
    content = samples.film(
        f"{transfer}-{primaries}.mkv", f"{parts};[p0][p1]hstack,{told}", options=("-c:v", "ffv1", "-pix_fmt", "yuv420p10le")
    )

    made = await transcoded(content, tmp_path)

    check_tags(made)
    luma = bytes(first_frame(made.path("video.mp4")).planes[0])
    assert 226 <= luma[16] <= 235
    assert 130 <= luma[48] <= 146
    with Image.open(made.path("poster.jpg")) as poster:
        assert poster.convert("L").getpixel((16, 16)) == pytest.approx((luma[16] - 16) / 219 * 255, abs=4)


async def test_what_is_said_of_hdr_displays_stays_behind(samples: Samples, tmp_path: Path) -> None:
    told = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):max-cll=1000,400"
    options = ("-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-x265-params", f"log-level=error:hdr10=1:{told}")
    film = "color=gray:s=64x64:r=25:d=0.2,setparams=colorspace=bt2020nc:color_primaries=bt2020:color_trc=smpte2084:range=tv"
    content = samples.film("hdr10.mp4", film, options=options)

    made = await transcoded(content, tmp_path)

    assert first_frame(tmp_path / "in.bin").side_data.get("MASTERING_DISPLAY_METADATA") is not None
    check_tags(made)


@pytest.mark.parametrize(
    ("name", "coded"),
    [
        ("tape.mpg", ("-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-b:v", "4M")),
        ("camera.mts", ("-c:v", "libx264", "-flags", "+ildct+ilme", "-x264-params", "tff=1", "-mpegts_m2ts_mode", "1")),
    ],
)
async def test_interlaced_frames_are_deinterlaced(samples: Samples, tmp_path: Path, name: str, coded: tuple[str, ...]) -> None:
    film = "testsrc2=s=320x240:r=50:d=1,tinterlace=interleave_top,fieldorder=tff"
    made = await transcoded(samples.film(name, film, options=coded), tmp_path)

    assert combed(tmp_path / "in.bin") > 0.8
    assert combed(made.path("video.mp4")) < 0.4
    assert made.files["video.mp4"].duration_seconds == pytest.approx(1, abs=0.05)


def combed(path: Path) -> float:
    """The share of frames with combs, by ffmpeg's detector."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(path), "-vf", "idet", "-f", "null", "-"]
    report = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stderr
    fields = re.findall(r"Multi frame detection: TFF: *(\d+) BFF: *(\d+) Progressive: *(\d+)", report)[-1]
    top, bottom, progressive = map(int, fields)
    return (top + bottom) / (top + bottom + progressive)

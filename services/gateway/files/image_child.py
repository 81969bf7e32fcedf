"""Makes one image of another, as JSON says: `python -I image_child.py <order>`. Runs in the sandbox, by path.

The order: `path`, `picture` (what `domain.picture` found), `chain` (canonical), `accepts_webp`, `max_pixels` and `result` (a
path). The answer: `{"format", "width", "height"}`, or `{"error": …}`: unreadable, out_of_memory, too_large,
result_too_large.

libvips decodes in strips and shrinks while it loads, so that a large photograph costs neither the memory of its pixels nor
the time to decode them all: https://www.libvips.org/API/current/ctor.Image.thumbnail.html
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyvips

sys.path.insert(0, str(Path(__file__).parents[3]))  # `-I` leaves it out

from services.gateway.domain.chain import read
from services.gateway.domain.geometry import Action, ResultTooLargeError, Scale, Size, SmartCut, plan
from services.gateway.domain.operation import Chain, Format, Quality

LOADERS: Final = {
    "jpeg": ("VipsForeignLoadJpeg", pyvips.Image.jpegload),
    "png": ("VipsForeignLoadPng", pyvips.Image.pngload),
    "gif": ("VipsForeignLoadNsgif", pyvips.Image.gifload),
    "webp": ("VipsForeignLoadWebp", pyvips.Image.webpload),
    "tiff": ("VipsForeignLoadTiff", pyvips.Image.tiffload),
    "avif": ("VipsForeignLoadHeif", pyvips.Image.heifload),
    "svg": ("VipsForeignLoadSvg", pyvips.Image.svgload),
}
PILLOW_FORMATS: Final = {"bmp": "BMP", "heic": "HEIF"}
"""What libvips does not read, or not as it is built for PyPI."""

JPEG_QUALITY: Final[dict[Quality, int]] = {
    "lightest": 50, "lighter": 70, "normal": 80, "better": 88, "best": 94, "smart": 80, "smart_retina": 60
}  # fmt: skip
WEBP_QUALITY: Final[dict[Quality, int]] = {
    "lightest": 45, "lighter": 62, "normal": 75, "better": 84, "best": 92, "smart": 75, "smart_retina": 55
}  # fmt: skip
AVIF_QUALITY: Final[dict[Quality, int]] = {
    "lightest": 32, "lighter": 42, "normal": 52, "better": 62, "best": 75, "smart": 52, "smart_retina": 40
}  # fmt: skip
"""Chosen so that one word looks alike in all formats."""

PROFILE: Final = "icc-profile-data"

STRICT: Final = {"fail_on": "error"}
"""A file that was cut off, or holds what cannot be decoded, is damaged, rather than grey from there on."""

OUT_OF_MEMORY: Final = ("out of memory", "unable to malloc", "nsufficient memory", "Resource temporarily unavailable")
"""What libvips and the decoders say; without memory no thread starts either."""


class TooLargeError(Exception):
    """The image has more pixels than are processed."""


def main() -> None:
    order = json.loads(sys.argv[1])
    try:
        answer = make(order)
    except TooLargeError:
        answer = {"error": "too_large"}
    except ResultTooLargeError:
        answer = {"error": "result_too_large"}
    except Exception as error:  # the file's fault: decoders raise almost anything for hostile input
        if "No space left on device" in str(error):
            raise
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        is_short = isinstance(error, MemoryError) or any(words in str(error) for words in OUT_OF_MEMORY)
        answer = {"error": "out_of_memory" if is_short else "unreadable"}
    json.dump(answer, sys.stdout)


def make(order: Mapping[str, Any]) -> dict[str, Any]:
    chain = read(order["chain"]).chain
    source = opened(order, chain)
    actions = plan(chain.steps, source.size)
    first = actions[0] if actions else None
    if isinstance(first, Scale):
        image, actions = source.scaled(first), actions[1:]
    else:
        image = source.image()
    for action in actions:
        image = applied(action, image)
    chosen = chosen_format(chain.format, order, image)
    save(image, order["result"], chosen, chain)
    return {"format": chosen, "width": image.width, "height": image.height}


@dataclass(frozen=True)
class VipsSource:
    """A file that one loader of libvips reads; no other loader can be reached."""

    path: str
    load: Callable[..., pyvips.Image]
    size: Size
    """Of the upright image where it is turned."""
    is_turned: bool

    def scaled(self, action: Scale) -> pyvips.Image:
        """Decodes no more than the size needs."""
        edges = {"height": action.height, "size": "force", "no_rotate": not self.is_turned}
        return as_srgb(pyvips.Image.thumbnail(self.path, action.width, **edges, **STRICT))

    def image(self) -> pyvips.Image:
        if self.is_turned:
            return as_srgb(self.load(self.path, **STRICT).autorot())
        return as_srgb(self.load(self.path, access="sequential", **STRICT))


@dataclass(frozen=True)
class PillowSource:
    """A file that Pillow reads, as a whole."""

    decoded: pyvips.Image

    @property
    def size(self) -> Size:
        return self.decoded.width, self.decoded.height

    def scaled(self, action: Scale) -> pyvips.Image:
        return applied(action, self.decoded)

    def image(self) -> pyvips.Image:
        return self.decoded


def opened(order: Mapping[str, Any], chain: Chain) -> VipsSource | PillowSource:
    """Raises TooLargeError, before anything but the head was decoded."""
    if order["picture"] in PILLOW_FORMATS:
        return PillowSource(through_pillow(order["path"], PILLOW_FORMATS[order["picture"]], order["max_pixels"]))
    family, load = LOADERS[order["picture"]]
    pyvips.operation_block_set("VipsForeignLoad", True)
    pyvips.operation_block_set(family, False)
    head = load(order["path"])
    check_pixels((head.width, head.height), order["max_pixels"])
    orientation = head.get("orientation") if head.get_typeof("orientation") else 1
    is_turned = chain.autorotate and orientation > 1
    size = (head.height, head.width) if is_turned and orientation >= 5 else (head.width, head.height)
    return VipsSource(order["path"], load, size, is_turned)


def check_pixels(size: Size, max_pixels: int) -> None:
    if size[0] * size[1] > max_pixels:
        raise TooLargeError


def through_pillow(path: str, image_format: str, max_pixels: int) -> pyvips.Image:
    from PIL import Image, ImageOps

    if image_format == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener(thumbnails=False)
    Image.MAX_IMAGE_PIXELS = None  # our own limit is checked before anything is decoded
    with Image.open(path, formats=(image_format,)) as image:
        check_pixels(image.size, max_pixels)
        ImageOps.exif_transpose(image, in_place=True)
        mode = "RGBA" if image.has_transparency_data else "RGB"
        plain = image if image.mode == mode else image.convert(mode)  # no copy more than is needed: they are large
        content = plain.tobytes()
    pixels = pyvips.Image.new_from_memory(content, plain.width, plain.height, len(plain.getbands()), "uchar")
    pixels = pixels.copy(interpretation="srgb")
    if profile := image.info.get("icc_profile"):
        pixels.set_type(pyvips.GValue.blob_type, PROFILE, profile)
    return as_srgb(pixels)


def as_srgb(image: pyvips.Image) -> pyvips.Image:
    """Eight bits of red, green and blue, and of transparency where there is any."""
    if image.get_typeof(PROFILE):
        try:
            return image.icc_transform("srgb", embedded=True)
        except pyvips.Error as error:  # a damaged profile does not make the pixels worthless
            sys.stderr.write(f"profile ignored: {error}\n")
    if image.interpretation != "srgb":
        image = image.colourspace("srgb")
    return image if image.format == "uchar" else image.cast("uchar")


def applied(action: Action, image: pyvips.Image) -> pyvips.Image:
    if isinstance(action, Scale):
        return image.thumbnail_image(action.width, height=action.height, size="force")
    if isinstance(action, SmartCut):
        return image.copy_memory().smartcrop(action.width, action.height, interesting="attention")
    if 0 <= action.x <= image.width - action.width and 0 <= action.y <= image.height - action.height:
        return image.crop(action.x, action.y, action.width, action.height)
    if action.fill is not None and len(action.fill) == 8 and not image.hasalpha():
        image = image.addalpha()
    background = colour(action.fill, image)
    if action.x >= image.width or action.y >= image.height:  # nothing of the image is left
        return image.new_from_image(background).embed(0, 0, action.width, action.height, extend="copy")
    return image.embed(-action.x, -action.y, action.width, action.height, extend="background", background=background)


def colour(fill: str | None, image: pyvips.Image) -> Sequence[int]:
    """One number for each of the image's bands: the fill colour, else nothing at all, else white."""
    if fill is None:
        return [0, 0, 0, 0] if image.hasalpha() else [255, 255, 255]
    return list(bytes.fromhex(fill.ljust(8, "f")))[: image.bands]


def chosen_format(asked: Format, order: Mapping[str, Any], image: pyvips.Image) -> str:
    """https://uploadcare.com/docs/compression/#operation-format, but that `auto` never spends the time that AVIF takes."""
    if asked == "auto" and order["accepts_webp"]:
        return "webp"
    if asked == "preserve" and order["picture"] in ("jpeg", "png"):
        return str(order["picture"])
    if asked in ("auto", "preserve"):
        return "png" if image.hasalpha() else "jpeg"
    return asked


def save(image: pyvips.Image, path: str, chosen: str, chain: Chain) -> None:
    """Without metadata: no place and no camera is told to strangers."""
    if chosen == "jpeg":
        if image.hasalpha():
            image = image.flatten(background=list(bytes.fromhex(chain.fill or "ffffff"))[:3])
        image.jpegsave(path, Q=JPEG_QUALITY[chain.quality], keep="none", optimize_coding=True, interlace=True)
    elif chosen == "png":
        image.pngsave(path, keep="none", compression=6)
    elif chosen == "webp":
        image.webpsave(path, Q=WEBP_QUALITY[chain.quality], keep="none", effort=3)
    else:
        image.heifsave(path, Q=AVIF_QUALITY[chain.quality], keep="none", compression="av1", effort=2)


if __name__ == "__main__":
    main()

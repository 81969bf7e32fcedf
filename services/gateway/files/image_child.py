"""Makes one image of another, as JSON says: `python -I image_child.py <order>`. Runs in the sandbox, by path.

The order: `path`, `picture` (what `domain.picture` found), `operations` (canonical), `accepts_webp`, `max_pixels` and
`result` (a path). The answer: `{"format"}`, `json` where the operations ask for facts, or `{"error": …}`: unreadable,
out_of_memory, too_large, result_too_large.

Files are opened here, by the loader for what they are and no other; `image_pipeline` applies the operations, and
`image_encoder` writes the result.

libvips decodes in strips and shrinks while it loads, so that a large photograph costs neither the memory of its pixels nor
the time to decode them all: https://www.libvips.org/API/current/ctor.Image.thumbnail.html
"""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyvips

sys.path.insert(0, str(Path(__file__).parents[3]))  # `-I` leaves it out

from services.gateway.domain.image.action import ResultTooLargeError
from services.gateway.domain.image.operation import Report, Settings
from services.gateway.domain.image.parsing import parse_operations
from services.gateway.domain.image.value import Size
from services.gateway.files.image_encoder import chosen_format, save
from services.gateway.files.image_pipeline import render

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
    transformation = parse_operations(order["operations"]).transformation
    settings, report = transformation.settings, transformation.report
    image = render(opened(order, settings), transformation.steps)
    chosen = chosen_format(settings.format, order["picture"], image, accepts_webp=order["accepts_webp"])
    if report is None:
        save(image, order["result"], chosen, settings)
        return {"format": chosen}
    assert isinstance(report.operation, Report)
    found = report.operation.measure(image, *report.values)
    color_mode = "RGBA" if image.hasalpha() and chosen != "jpeg" else "RGB"
    facts = {"format": chosen.upper(), "width": image.width, "height": image.height, "color_mode": color_mode, **found}
    Path(order["result"]).write_text(json.dumps(facts))
    return {"format": "json"}


@dataclass(frozen=True)
class VipsSource:
    """A file that one loader of libvips reads; no other loader can be reached."""

    path: str
    load: Callable[..., pyvips.Image]
    size: Size
    """Of the upright image where it is turned."""
    is_turned: bool
    kept_profile_bytes: float
    """See `as_srgb`."""

    def scaled(self, width: int, height: int) -> pyvips.Image:
        """Decodes no more than the size needs."""
        edges = {"height": height, "size": "force", "no_rotate": not self.is_turned}
        return as_srgb(pyvips.Image.thumbnail(self.path, width, **edges, **STRICT), self.kept_profile_bytes)

    def image(self) -> pyvips.Image:
        if self.is_turned:
            return as_srgb(self.load(self.path, **STRICT).autorot(), self.kept_profile_bytes)
        return as_srgb(self.load(self.path, access="sequential", **STRICT), self.kept_profile_bytes)


@dataclass(frozen=True)
class PillowSource:
    """A file that Pillow reads, as a whole."""

    decoded: pyvips.Image

    @property
    def size(self) -> Size:
        return self.decoded.width, self.decoded.height

    def scaled(self, width: int, height: int) -> pyvips.Image:
        return self.decoded.thumbnail_image(width, height=height, size="force")

    def image(self) -> pyvips.Image:
        return self.decoded


def opened(order: Mapping[str, Any], settings: Settings) -> VipsSource | PillowSource:
    """Raises TooLargeError, before anything but the head was decoded."""
    if order["picture"] in PILLOW_FORMATS:
        decoded = through_pillow(order["path"], PILLOW_FORMATS[order["picture"]], order["max_pixels"])
        return PillowSource(as_srgb(decoded, settings.kept_profile_bytes))
    family, load = LOADERS[order["picture"]]
    pyvips.operation_block_set("VipsForeignLoad", True)
    pyvips.operation_block_set(family, False)
    head = load(order["path"])
    check_pixels((head.width, head.height), order["max_pixels"])
    orientation = head.get("orientation") if head.get_typeof("orientation") else 1
    is_turned = settings.autorotate and orientation > 1
    size = (head.height, head.width) if is_turned and orientation >= 5 else (head.width, head.height)
    return VipsSource(order["path"], load, size, is_turned, settings.kept_profile_bytes)


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
    return pixels


def as_srgb(image: pyvips.Image, kept_profile_bytes: float) -> pyvips.Image:
    """Eight bits of red, green and blue, and of transparency where there is any.

    The colour profile is applied and gone, unless it has at most `kept_profile_bytes` and belongs to red, green and blue:
    then it stays with the pixels, which it is for.
    """
    is_rgb = image.interpretation in ("srgb", "rgb", "rgb16")
    if image.get_typeof(PROFILE) and not (is_rgb and len(image.get(PROFILE)) <= kept_profile_bytes):
        try:
            image = image.icc_transform("srgb", embedded=True).copy()
        except pyvips.Error as error:  # a damaged profile does not make the pixels worthless
            sys.stderr.write(f"profile ignored: {error}\n")
            image = image.copy()
        image.remove(PROFILE)
    if image.interpretation != "srgb":
        image = image.colourspace("srgb")
    return image if image.format == "uchar" else image.cast("uchar")


if __name__ == "__main__":
    main()

"""What an image is, from its head and its metadata. No pixels are decoded for it: facts cost little, and damage spares them.

Pillow knows most about the usual formats. What it does not open, libvips does. TIFF has more kinds of pixels than either of
them knows; its directory says what it holds.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pyvips
from PIL import Image, ImageFile
from PIL import TiffImagePlugin as Tag

from libs.image import heif, png, tiff
from libs.image.source import read_head
from libs.image.tiff import TiffStructure
from services.transcoder.adapters.exif import MAX_EXIF_BYTES, exif_from, exif_of, facts_of_exif, facts_of_tiff

NAMES: Final = {
    "jpeg": "JPEG", "png": "PNG", "gif": "GIF", "webp": "WEBP", "bmp": "BMP", "avif": "AVIF", "tiff": "TIFF", "heic": "HEIF",
    "svg": "SVG",
}  # fmt: skip
"""What the formats are called in `ImageInfo`, as Pillow calls them."""
OPENED_BY_PILLOW: Final = ("jpeg", "png", "gif", "webp", "avif")

_GREY_MODES: Final = ("1", "I", "F")
"""Greyscale in a depth of its own; so is every mode that begins with `I;16`."""
_MODES_OF_VIPS: Final = {"b-w": "L", "grey16": "L", "cmyk": "CMYK", "lab": "LAB", "labs": "LAB"}
_MODES_OF_TIFF: Final = {0: "L", 1: "L", 3: "P", 4: "L", 5: "CMYK", 8: "LAB", 9: "LAB", 10: "LAB"}
"""By photometric interpretation; any other one is RGB."""
_CENTIMETRES_OF_AN_INCH: Final = 2.54


def read_facts(path: str, image_format: str) -> dict[str, Any]:
    """The fields of `contracts.events.ImageInfo`. Raises almost anything where the file is not really of that format."""
    name = {"format": NAMES[image_format]}
    if image_format == "tiff":
        return name | _from_directory(path)
    if image_format == "bmp":
        return name | _from_pillow(path, image_format)
    if image_format in OPENED_BY_PILLOW:
        with suppress(Exception):
            return name | _from_pillow(path, image_format)
    return name | _from_libvips(path, image_format)


def _from_pillow(path: str, image_format: str) -> dict[str, Any]:
    Image.MAX_IMAGE_PIXELS = None  # nothing is decoded here
    ImageFile.LOAD_TRUNCATED_IMAGES = True  # else a wrong checksum beside the picture hides the whole of it
    try:
        with Image.open(path, formats=(NAMES[image_format],)) as image:
            if image_format == "png" and "exif" not in image.info and (exif := _exif_of_png(path)):
                image.info["exif"] = exif
            return {
                "width": image.width,
                "height": image.height,
                "color_mode": "L" if image.mode in _GREY_MODES or image.mode.startswith("I;16") else image.mode,
                "dpi": _dpi(*image.info.get("dpi", (0, 0))),
                "sequence": image.format != "MPO" and bool(getattr(image, "is_animated", False)),
                **facts_of_exif(exif_of(image)),
            }
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False


def _exif_of_png(path: str) -> bytes | None:
    """Pillow finds the one that stands before the picture; most tools write it behind."""
    with Path(path).open("rb") as file:
        for chunk in png.chunks(file):
            if chunk.name == b"eXIf" and chunk.length <= MAX_EXIF_BYTES:
                file.seek(chunk.offset)
                return file.read(chunk.length)
    return None


def _from_libvips(path: str, image_format: str) -> dict[str, Any]:
    head = read_head(path, image_format)
    facts = {
        "width": head.width,
        "height": head.height,
        "color_mode": _MODES_OF_VIPS.get(head.interpretation, "RGB") + ("A" if head.hasalpha() else ""),
        "dpi": _dpi(head.xres * 25.4, head.yres * 25.4) if head.get_typeof("resolution-unit") else None,
        "sequence": bool(head.get_typeof("n-pages")) and head.get("n-pages") > 1,
        **facts_of_exif(exif_from(head.get("exif-data") if head.get_typeof("exif-data") else b"")),
    }
    return facts | _as_stored(path, head) if image_format in ("avif", "heic") else facts


def _as_stored(path: str, head: pyvips.Image) -> dict[str, Any]:
    """HEIF is decoded upright, whatever its EXIF says: the file itself says how the stored pixels are turned."""
    orientation = heif.orientation(path)
    is_on_its_side = orientation is not None and orientation >= 5
    width, height = (head.height, head.width) if is_on_its_side else (head.width, head.height)
    return {"width": width, "height": height, "orientation": orientation}


def _from_directory(path: str) -> dict[str, Any]:
    with Path(path).open("rb") as file:
        structure = TiffStructure(file)
        tags = structure.first
        return {
            "width": int(tags[Tag.IMAGEWIDTH]),
            "height": int(tags[Tag.IMAGELENGTH]),
            "color_mode": _mode_of_tiff(tags),
            "dpi": _dpi_of_tiff(tags),
            "sequence": tags.next != 0,
            **facts_of_tiff(structure),
        }


def _mode_of_tiff(tags: Tag.ImageFileDirectory_v2) -> str:
    photometric = tags.get(Tag.PHOTOMETRIC_INTERPRETATION)
    if photometric == tiff.YCBCR and tags.get(Tag.COMPRESSION) not in tiff.JPEG:
        return "YCbCr"
    mode = _MODES_OF_TIFF.get(photometric or 0, "RGB")
    has_alpha = any(kind in (1, 2) for kind in tags.get(Tag.EXTRASAMPLES, ()))
    return mode + ("A" if has_alpha and mode in ("L", "RGB") else "")


def _dpi_of_tiff(tags: Tag.ImageFileDirectory_v2) -> tuple[float, float] | None:
    unit = {2: 1.0, 3: _CENTIMETRES_OF_AN_INCH}.get(tags.get(Tag.RESOLUTION_UNIT, 2), 0.0)
    try:
        return _dpi(float(tags[Tag.X_RESOLUTION]) * unit, float(tags[Tag.Y_RESOLUTION]) * unit)
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return None


def _dpi(x: Any, y: Any) -> tuple[float, float] | None:
    """Dots per inch; None where that is no resolution."""
    try:
        x, y = round(float(x), 2), round(float(y), 2)
    except (TypeError, ValueError, ArithmeticError):
        return None
    return (x, y) if 0 < x < 1e6 and 0 < y < 1e6 else None

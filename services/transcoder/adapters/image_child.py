"""Opens one image and says what it is, as JSON; writes a thumbnail where one is wanted. Runs in the sandbox, by path.

`python -I image_child.py <file> <Pillow format> <max pixels> <thumbnail edge, 0 for none> <folder for the thumbnail>`
Errors: `{"error": "unreadable" | "too_large"}`; details go to stderr.
"""

import json
import sys
import warnings
from datetime import datetime
from typing import Any

from PIL import ExifTags, Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

MAX_EDGE = 65_500
MAX_EXIF_BYTES = 1 << 20
"""JPEG takes 64 KiB. More than this is ignored: it would take longer to decode than an image may take."""
GREY_MODES = ("1", "I", "F")
"""Greyscale in a depth of its own; so is every mode that begins with `I;16`."""


def main() -> None:
    path, image_format, max_pixels, edge, folder = sys.argv[1:6]
    warnings.simplefilter("ignore")
    Image.MAX_IMAGE_PIXELS = None  # our own limit is checked below, before anything is decoded
    try:
        answer = inspect(path, image_format, int(max_pixels), int(edge), folder)
    except MemoryError:
        answer = {"error": "too_large"}
    except Exception as error:  # the file's fault: Pillow raises almost anything for hostile input
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        answer = {"error": "unreadable"}
    json.dump(answer, sys.stdout)


def inspect(path: str, image_format: str, max_pixels: int, edge: int, folder: str) -> dict[str, Any]:
    with Image.open(path, formats=(image_format,)) as image:
        if image.width * image.height > max_pixels or max(image.size) > MAX_EDGE:
            return {"error": "too_large"}
        answer: dict[str, Any] = {
            "format": "JPEG" if image.format == "MPO" else image.format,
            "width": image.width,
            "height": image.height,
            "color_mode": color_mode(image),
            "dpi": dpi(image),
            "sequence": image.format != "MPO" and bool(getattr(image, "is_animated", False)),
        }
        if image.format == "TIFF":
            answer |= tiff_facts(image)
        if edge and image_format == "JPEG":
            image.draft(None, (edge * 2, edge * 2))  # decodes at a fraction of the size: less time and memory
        image.load()
        if edge:
            answer["thumbnail"] = thumbnail(image, edge, folder)
        if image.format != "TIFF":
            answer |= exif_facts(image)
        return answer


def color_mode(image: Image.Image) -> str:
    """Pillow's mode, as the colour model without the depth: 16 bit greyscale and bitmaps are `L`."""
    return "L" if image.mode in GREY_MODES or image.mode.startswith("I;16") else image.mode


def tiff_facts(image: Image.Image) -> dict[str, Any]:
    """Pillow's TIFF reader turns the picture upright by itself, reports that size, and decodes all of EXIF when it loads.

    EXIF is as long as the file there: what the facts do not need is kept from it.
    """
    facts = exif_facts(image)
    exif = image.getexif()
    for tag in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo, ExifTags.IFD.Interop):
        exif.pop(tag, None)
    if facts["orientation"] in (5, 6, 7, 8):
        facts |= {"width": image.height, "height": image.width}
    return facts


def exif_facts(image: Image.Image) -> dict[str, Any]:
    exif = exif_of(image)
    return {"orientation": orientation(image), "datetime_original": taken_at(exif), "geo_location": place(exif)}


def exif_of(image: Image.Image) -> Image.Exif:
    """Empty where it is damaged: that does not make the pixels worthless."""
    try:
        is_too_long = len(image.info.get("exif", b"")) > MAX_EXIF_BYTES
        return Image.Exif() if is_too_long else image.getexif()
    except Exception:
        return Image.Exif()


def directory(exif: Image.Exif, tag: int) -> ImageFileDirectory_v2:
    """One that EXIF refers to; its values are decoded only when they are asked for. Raises almost anything."""
    found = ImageFileDirectory_v2(exif.head, group=tag)
    exif.fp.seek(exif[tag])
    found.load(exif.fp)
    return found


def orientation(image: Image.Image) -> int | None:
    try:
        value = exif_of(image).get(ExifTags.Base.Orientation)
    except Exception:
        return None
    return value if isinstance(value, int) and 1 <= value <= 8 else None


def taken_at(exif: Image.Exif) -> str | None:
    """`2018:09:13 16:23:40` → `2018-09-13T16:23:40`."""
    try:
        value = text(directory(exif, ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal])
        return datetime.strptime(value, "%Y:%m:%d %H:%M:%S").isoformat()  # noqa: DTZ007 - EXIF knows no zone
    except Exception:
        return None


def place(exif: Image.Exif) -> dict[str, float] | None:
    try:
        gps = directory(exif, ExifTags.IFD.GPSInfo)
        north = degrees(gps[ExifTags.GPS.GPSLatitude]) * sign(gps[ExifTags.GPS.GPSLatitudeRef], "N", "S")
        east = degrees(gps[ExifTags.GPS.GPSLongitude]) * sign(gps[ExifTags.GPS.GPSLongitudeRef], "E", "W")
    except Exception:
        return None
    return {"latitude": north, "longitude": east} if abs(north) <= 90 and abs(east) <= 180 else None


def degrees(values: Any) -> float:
    """Degrees, minutes and seconds as one number. Raises ValueError, e.g. for what is divided by zero."""
    degree, minute, second = (float(value) for value in values)
    if not (degree >= 0 and 0 <= minute <= 60 and 0 <= second <= 60):
        raise ValueError("not an angle")
    return round(degree + minute / 60 + second / 3600, 7)


def sign(reference: Any, positive: str, negative: str) -> int:
    return {positive: 1, negative: -1}[text(reference).upper()]


def text(value: Any) -> str:
    """Pillow leaves some single values in a tuple. Raises AttributeError or TypeError where it is no text."""
    [only] = value if isinstance(value, tuple) else (value,)
    return str.strip(only, "\0 ")


def dpi(image: Image.Image) -> tuple[float, float] | None:
    try:
        x, y = (round(float(value), 2) for value in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return None
    return (x, y) if 0 < x < 1e6 and 0 < y < 1e6 else None


def thumbnail(image: Image.Image, edge: int, folder: str) -> dict[str, Any]:
    """The first frame upright within `edge` x `edge`, never enlarged; PNG where something is transparent, else JPEG."""
    profile = image.info.get("icc_profile")
    small = as_rgb(image)
    small = turned(small, orientation(image))
    small.thumbnail((edge, edge), Image.Resampling.LANCZOS)
    name, options = ("thumbnail.png", {"optimize": True}) if small.mode == "RGBA" else ("thumbnail.jpg", {"quality": 82})
    if profile and image.mode in ("RGB", "RGBA"):
        options["icc_profile"] = profile
    small.save(f"{folder}/{name}", **options)
    return {"name": name, "width": small.width, "height": small.height}


def turned(image: Image.Image, value: int | None) -> Image.Image:
    methods = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }  # fmt: skip
    return image.transpose(methods[value]) if value in methods else image


def as_rgb(image: Image.Image) -> Image.Image:
    """RGBA where it has transparency, else RGB; 16 bit greyscale is scaled, not cut off."""
    if image.mode in ("RGBA", "RGB"):
        has_key = image.mode == "RGB" and "transparency" in image.info
        return image.convert("RGBA") if has_key else image
    if image.mode in ("LA", "PA", "RGBa", "La") or "transparency" in image.info:
        return image.convert("RGBA")
    if image.mode.startswith("I;16") or image.mode == "I":
        return image.point(lambda value: value / 256).convert("L").convert("RGB")
    return image.convert("RGB")


if __name__ == "__main__":
    main()

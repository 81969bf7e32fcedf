"""When and where a photograph was taken, and which way up, from its EXIF. What is damaged in it is ignored, each for itself.

https://www.cipa.jp/std/documents/download_e.html?DC-008-Translation-2023-E
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from PIL import ExifTags, Image

from libs.image.tiff import TiffStructure

MAX_EXIF_BYTES: Final = 1 << 20
"""JPEG takes 64 KiB. More than this is ignored: it would take longer to decode than an image may take."""


def facts_of_exif(exif: Image.Exif) -> dict[str, Any]:
    file = getattr(exif, "fp", None)  # none where nothing was loaded
    try:
        structure = None if file is None else TiffStructure(file)
    except Exception:
        structure = None
    return facts_of_tiff(structure) | {"orientation": valid_orientation(exif)}


def facts_of_tiff(structure: TiffStructure | None) -> dict[str, Any]:
    """`orientation` 1 to 8, `datetime_original` and `geo_location`, each None where it is unknown."""
    return {
        "orientation": None if structure is None else valid_orientation(structure.first),
        "datetime_original": None if structure is None else _taken_at(structure),
        "geo_location": None if structure is None else _location(structure),
    }


def exif_of(image: Image.Image) -> Image.Exif:
    """Empty where it is damaged or too long: that does not make the pixels worthless."""
    try:
        is_too_long = len(image.info.get("exif", b"")) > MAX_EXIF_BYTES
        # Not PNG's own method, which decodes the whole picture in search of EXIF.
        return Image.Exif() if is_too_long else Image.Image.getexif(image)
    except Exception:
        return Image.Exif()


def exif_from(content: bytes) -> Image.Exif:
    """The same for EXIF that libvips has found."""
    exif = Image.Exif()
    if len(content) <= MAX_EXIF_BYTES:
        with suppress(Exception):
            exif.load(content)
    return exif


def valid_orientation(tags: Mapping[int, Any]) -> int | None:
    try:
        value = tags.get(ExifTags.Base.Orientation)
    except Exception:
        return None
    return value if isinstance(value, int) and 1 <= value <= 8 else None


def _directory(structure: TiffStructure, tag: int) -> Mapping[int, Any]:
    """The one that the first directory refers to. Raises almost anything."""
    return structure.directory(structure.first[tag], tag)


def _taken_at(structure: TiffStructure) -> str | None:
    """`2018:09:13 16:23:40` → `2018-09-13T16:23:40`."""
    try:
        value = _text(_directory(structure, ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal])
        return datetime.strptime(value, "%Y:%m:%d %H:%M:%S").isoformat()  # noqa: DTZ007 - EXIF knows no zone
    except Exception:
        return None


def _location(structure: TiffStructure) -> dict[str, float] | None:
    try:
        gps = _directory(structure, ExifTags.IFD.GPSInfo)
        north = _degrees(gps[ExifTags.GPS.GPSLatitude]) * _sign(gps[ExifTags.GPS.GPSLatitudeRef], "N", "S")
        east = _degrees(gps[ExifTags.GPS.GPSLongitude]) * _sign(gps[ExifTags.GPS.GPSLongitudeRef], "E", "W")
    except Exception:
        return None
    return {"latitude": north, "longitude": east} if abs(north) <= 90 and abs(east) <= 180 else None


def _degrees(values: Any) -> float:
    """Degrees, minutes and seconds as one number. Raises ValueError, e.g. for what is divided by zero."""
    degree, minute, second = (float(value) for value in values)
    if not (degree >= 0 and 0 <= minute <= 60 and 0 <= second <= 60):
        raise ValueError("not an angle")
    return round(degree + minute / 60 + second / 3600, 7)


def _sign(reference: Any, positive: str, negative: str) -> int:
    return {positive: 1, negative: -1}[_text(reference).upper()]


def _text(value: Any) -> str:
    """Pillow leaves some single values in a tuple. Raises AttributeError or TypeError where it is no text."""
    [only] = value if isinstance(value, tuple) else (value,)
    return str.strip(only, "\0 ")

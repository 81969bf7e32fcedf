"""Writes the finished image to a file, in the format asked for. Runs in the sandboxed child."""

from typing import Final

import pyvips

from services.gateway.domain.image.operation import Format, Metadata, Quality, Settings
from services.gateway.domain.image.pixel import fill_colour

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

_KEPT: Final[dict[Metadata, tuple[str, ...]]] = {
    "all": (), "sensitive": ("exif",), "none": ("exif", "iptc", "xmp", "other")
}  # fmt: skip
"""Which kinds of metadata libvips writes, the colour profile apart."""
_THUMBNAIL: Final = "jpeg-thumbnail-data"
_SENSITIVE: Final = (
    "exif-ifd3-",  # where the picture was taken
    "exif-ifd0-Artist", "exif-ifd0-XP", "exif-ifd0-HostComputer", "exif-ifd0-ImageDescription",
    "exif-ifd2-CameraOwnerName", "exif-ifd2-BodySerialNumber", "exif-ifd2-LensSerialNumber", "exif-ifd2-ImageUniqueID",
    "exif-ifd2-MakerNote", "exif-ifd2-UserComment",
)  # fmt: skip
"""Beginnings of names of what tells about places and persons."""


def chosen_format(asked: Format, original: str, image: pyvips.Image, *, accepts_webp: bool) -> str:
    """https://uploadcare.com/docs/compression/#operation-format, but that `auto` never spends the time that AVIF takes."""
    if asked == "auto" and accepts_webp:
        return "webp"
    if asked == "preserve" and original in ("jpeg", "png"):
        return original
    if asked in ("auto", "preserve"):
        return "png" if image.hasalpha() else "jpeg"
    return asked


def save(image: pyvips.Image, path: str, chosen: str, settings: Settings) -> None:
    image = _without(image, settings.strip_meta)
    profile = ("icc",) if settings.kept_profile_bytes else ()
    keep = ":".join((*_KEPT[settings.strip_meta], *profile)) or "none"
    if chosen == "jpeg":
        if image.hasalpha():
            image = image.flatten(background=fill_colour(settings.setfill or "ffffff", image)[:3])
        quality = JPEG_QUALITY[settings.quality]
        image.jpegsave(path, Q=quality, keep=keep, optimize_coding=True, interlace=settings.progressive)
    elif chosen == "png":
        image.pngsave(path, keep=keep, compression=6)
    elif chosen == "webp":
        image.webpsave(path, Q=WEBP_QUALITY[settings.quality], keep=keep, effort=3)
    else:
        image.heifsave(path, Q=AVIF_QUALITY[settings.quality], keep=keep, compression="av1", effort=2)


def _without(image: pyvips.Image, strip_meta: Metadata) -> pyvips.Image:
    """A thumbnail shows what the original looked like: it stays with no result."""
    beginnings = (_THUMBNAIL, *(_SENSITIVE if strip_meta == "sensitive" else ()))
    doomed = [name for name in image.get_fields() if name.startswith(beginnings)]
    if doomed:
        image = image.copy()
    for name in doomed:
        image.remove(name)
    return image

"""Which files are images that operations can be applied to, from their first bytes, and what results are called."""

import re
from typing import Final, Literal

HEAD_BYTES: Final = 4096

Picture = Literal["jpeg", "png", "gif", "webp", "tiff", "avif", "heic", "bmp", "svg"]

CONTENT_TYPES: Final = {"jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp", "avif": "image/avif"}
EXTENSIONS: Final = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp", "image/avif": ".avif"}

_MAGIC: Final[tuple[tuple[bytes, Picture], ...]] = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"BM", "bmp"),
)
_BRANDS: Final[dict[bytes, Picture]] = {
    **dict.fromkeys((b"avif", b"avis"), "avif"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"), "heic"),
}
"""Of ISO media files, https://mp4ra.org/registered-types/brands."""
_SVG = re.compile(rb"(?:\xef\xbb\xbf)?\s*+(?>(?:<\?xml[^>]*\?>|<!--.*?-->|<!DOCTYPE[^>\[]*>)\s*+)*+<svg[\s>]", re.DOTALL)
"""Without backtracking: a head full of comments costs no time."""


def picture(head: bytes) -> Picture | None:
    """What a file is that starts with `head` (`HEAD_BYTES`, or all of it); None: nothing that is processed."""
    if head[4:8] == b"ftyp":
        return _iso_picture(head)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    for magic, found in _MAGIC:
        if head.startswith(magic):
            return found
    return "svg" if _SVG.match(head) else None


def _iso_picture(head: bytes) -> Picture | None:
    """`mif1` says image and no more; the codec is among the compatible brands."""
    end = min(int.from_bytes(head[:4]), 256)
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, end, 4))]
    if brands[0] in (b"mif1", b"msf1"):
        return next((_BRANDS[brand] for brand in brands if brand in _BRANDS), None)
    return _BRANDS.get(brands[0])

"""Headers that make foreign bytes harmless: no file may act as a page of this site."""

import re
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from services.gateway.domain.content_type import essence

RASTER_IMAGES: Final = frozenset(
    f"image/{name}" for name in ("jpeg", "png", "gif", "webp", "avif", "bmp", "tiff", "heic", "heif", "jxl", "x-icon")
)
"""Not SVG: it can hold scripts."""

PLAYLIST: Final = "application/vnd.apple.mpegurl"

CORS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": (
        "Accept-Ranges, Content-Disposition, Content-Length, Content-Range, ETag, Last-Modified, Retry-After, X-Request-Id"
    ),
}
"""Of every answer, refusals too: scripts in pages of other sites play, seek in and save files."""

PREFLIGHT: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
    "Access-Control-Allow-Headers": "Range, If-Range, If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since",
    "Access-Control-Max-Age": "86400",
}

HARMLESS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Referrer-Policy": "no-referrer",
}

_HARMLESS_PAGES: Final = frozenset(("application/pdf", "application/json", "text/plain", "text/csv"))
"""Types that browsers show without doing what is in them."""

_NOT_PLAIN = re.compile(r"[^A-Za-z0-9._ -]")


def shown_inline(content_type: str) -> bool:
    """Raster images, sound and video; everything else is saved, not shown."""
    kind = essence(content_type)
    return kind in RASTER_IMAGES or kind == PLAYLIST or kind.startswith(("audio/", "video/"))


@lru_cache(maxsize=4096)
def disposition(content_type: str, file_name: str, *, inline: bool | None = None) -> str:
    """RFC 6266: a plain name for all, and the exact one (RFC 8187) where it differs.

    `inline`: whether it is wished to be shown; None: as its type suggests. What may act as a page is never shown.
    """
    is_shown = shown_inline(content_type) or (inline is True and essence(content_type) in _HARMLESS_PAGES)
    kind = "inline" if is_shown and inline is not False else "attachment"
    plain = _NOT_PLAIN.sub("_", file_name)
    exact = f"; filename*=UTF-8''{quote(file_name, safe='')}" if plain != file_name else ""
    return f'{kind}; filename="{plain}"{exact}'

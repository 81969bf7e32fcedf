"""How an address is spelled when it goes out: as its user spelled it, for signatures depend on that. Pure.

Only what no URL may hold is percent-encoded, and dot segments are taken out, both as browsers do. What is percent-encoded
already stays so, and nothing is decoded. One character is treated otherwise than in browsers: an apostrophe in a query is
allowed by RFC 3986 and stays.

Source: https://url.spec.whatwg.org/ (percent-encode sets, path state, relative state).
"""

import re
from typing import Final
from urllib.parse import quote

_PRINTABLE: Final = "".join(map(chr, range(0x21, 0x7F)))
_IN_A_QUERY: Final = re.sub(r'["#<>]', "", _PRINTABLE)
_IN_A_PATH: Final = re.sub(r"[?^`{}]", "", _IN_A_QUERY)
_ESCAPED_BYTE: Final = re.compile(r"[\udc80-\udcff]")
_PARTS: Final = re.compile(r"(?P<origin>[a-z]+://[^/?#]+)(?P<path>[^?#]*)(?P<query>\?[^#]*)?")
_HAS_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_BEFORE_THE_QUERY: Final = re.compile(r"[^?#]*")


def request_target(path: str, query: str | None) -> str:
    """Path and query as the request line holds them, ASCII; `query` None where the URL has no question mark.

    Raises UnicodeEncodeError for lone surrogates.
    """
    spelled = without_dot_segments(quote(path.replace("\\", "/"), safe=_IN_A_PATH))
    return spelled if query is None else f"{spelled}?{quote(query, safe=_IN_A_QUERY)}"


def without_dot_segments(path: str) -> str:
    """`/a/./b/%2E%2e/c` is `/a/c`; empty segments are segments like others."""
    kept: list[str] = []
    segments = path.split("/")[1:] or [""]
    for segment in segments:
        if _plain(segment) == "..":
            del kept[-1:]
        elif _plain(segment) != ".":
            kept.append(segment)
    if _plain(segments[-1]) in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def resolve_reference(base: str, reference: str) -> str:
    """The URL that a Location header names. `base` is the URL that was asked, as it went out.

    `reference` is the header's value as the HTTP client decodes it (UTF-8 with surrogate escapes): bytes that are not UTF-8 are
    percent-encoded, as browsers do.
    """
    reference = _ESCAPED_BYTE.sub(lambda escaped: f"%{ord(escaped[0]) - 0xDC00:02X}", reference.strip())
    asked = _PARTS.match(base)
    if asked is None or _HAS_SCHEME.match(reference):
        return reference
    reference = _BEFORE_THE_QUERY.sub(lambda path: path[0].replace("\\", "/"), reference, count=1)
    if reference.startswith("//"):
        return base.partition("//")[0] + reference
    match reference[:1]:
        case "/":
            return asked["origin"] + reference
        case "?":
            return asked["origin"] + asked["path"] + reference
        case "" | "#":
            return base
    return f"{asked['origin']}{asked['path'].rpartition('/')[0]}/{reference}"


def _plain(segment: str) -> str:
    return segment.lower().replace("%2e", ".") if len(segment) <= len("%2e%2e") else segment

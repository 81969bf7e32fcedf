"""Text formats, which have no magic number."""

import codecs
import json
import re
from typing import Final

SVG: Final = "image/svg+xml"

_PROLOGUE: Final = re.compile(
    r"""
    (?> \s++
      | <\? .*? \?>
      | <!-- .*? -->
      | <!DOCTYPE \s+ (?!html\b) (?> [^<>\[\]"']++ | "[^"]*+" | '[^']*+' )*+
        (?: \[ (?> <!-- .*? --> | <\? .*? \?> | "[^"]*+" | '[^']*+' | <(?!!--|\?) | [^]"'<]++ )*+ \] \s*+ )?+ >
    )*+
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
"""What may stand before the first element: https://www.w3.org/TR/xml/#sec-prolog-dtd. Without backtracking, in linear time."""
_HTML: Final = re.compile(r"<(?:!doctype\s+html|html|head|body|script|iframe|title)\b", re.IGNORECASE)
_SVG: Final = re.compile(r"<(?:[A-Za-z_][\w.-]*:)?svg[\s/>]")
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")


def text_type(head: bytes) -> str | None:
    """The MIME type where `head` starts a text file, else None."""
    text = _decoded(head)
    if not text or not text.strip():
        return None if not text else "text/plain"
    start = text.lstrip()
    if start.startswith("<"):
        return _markup_type(start)
    if start.startswith("#EXTM3U"):
        return "application/vnd.apple.mpegurl"
    if start.startswith("{\\rtf"):
        return "application/rtf"
    return "application/json" if _is_json(text) else "text/plain"


def _markup_type(start: str) -> str:
    """HTML, SVG, other XML or plain text, by the first element after declarations and comments."""
    prologue = _PROLOGUE.match(start)
    assert prologue is not None
    if _HTML.match(start, prologue.end()):
        return "text/html"
    if _SVG.match(start, prologue.end()):
        return SVG
    return "application/xml" if start.startswith("<?xml") else "text/plain"


def _decoded(head: bytes) -> str | None:
    for bom, encoding in ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if head.startswith(bom):
            return _if_text(head[len(bom) :], encoding)
    text = _if_text(head, "utf-8")
    # XML names its encoding; that of Western Europe tells the tags of all the others.
    return _if_text(head, "iso-8859-1") if text is None and head.lstrip().startswith(b"<?xml") else text


def _if_text(data: bytes, encoding: str) -> str | None:
    """`data` decoded, its cut-off last character aside; None where it is no text."""
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(data)
    except UnicodeDecodeError:
        return None
    return None if _CONTROLS.search(text) else text


def _is_json(text: str) -> bool:
    if not text.lstrip().startswith(("{", "[")):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True

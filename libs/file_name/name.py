"""What may stay in a file name, wherever the name comes from: a form, a header, an address, a watch folder, a JSON body."""

import re
from typing import Final

MAX_NAME_BYTES: Final = 255
"""In UTF-8: what file systems take."""
MAX_EXTENSION_BYTES: Final = 20
"""What follows the last dot of a name and is longer than this is no extension."""

_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, the marks, overrides and isolates that turn the direction of text (UAX #9: they let `gpj.exe` look like
`exe.jpg`), line and paragraph separators, and lone surrogates, which are no characters. Joiners stay: words need them.
"""


def clean_name(text: str, *, max_bytes: int = MAX_NAME_BYTES) -> str | None:
    """The last segment of what may be a path, on one line, as it is written; None where nothing is left that names a file.

    A name that is longer than `max_bytes` in UTF-8 loses the end of its stem: its extension stays, and no character is cut.
    """
    last_segment = text.replace("\\", "/").rpartition("/")[2]
    name = without_invisible(last_segment).strip()
    return _shortened(name, max_bytes) if name.strip(".") else None


def without_invisible(text: str) -> str:
    """`text` without the characters that cannot be seen and that change how the others are shown."""
    return _INVISIBLE.sub("", text)


def _shortened(name: str, max_bytes: int) -> str:
    if len(name.encode()) <= max_bytes:
        return name
    stem, dot, extension = name.rpartition(".")
    ending = f"{dot}{extension}".encode()
    if not stem or len(ending) > MAX_EXTENSION_BYTES + 1:
        stem, ending = name, b""
    kept = stem.encode()[: max_bytes - len(ending)]
    return kept.decode(errors="ignore") + ending.decode()

"""What a published file is called: a client's words made harmless, and templates filled in."""

import re
from collections.abc import Callable, Mapping
from typing import Final

MAX_NAME_BYTES: Final = 120
"""UTF-8. With two ids and what a template adds, a name stays below the 255 bytes of file systems."""

_HARMFUL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff<>:\"|?*{}]")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def safe_name(name: str) -> str:
    """One path segment that every file system takes; the extension survives where the name is too long."""
    last = re.split(r"[/\\]", name)[-1]
    cleaned = _HARMFUL.sub("_", last).strip(" .")
    return _shortened(cleaned) or "file"


def filled(template: str, values: Mapping[str, str], encode: Callable[[str], str] = str) -> str:
    """`template` with each `{name}` replaced by its value; what a value holds is never replaced again."""
    return _PLACEHOLDER.sub(lambda match: encode(values[match[1]]), template)


def _shortened(name: str) -> str:
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension.encode()) > 20:
        return _cut(name, MAX_NAME_BYTES)
    return f"{_cut(stem, MAX_NAME_BYTES - len(extension.encode()) - 1)}.{extension}"


def _cut(text: str, size_bytes: int) -> str:
    return text.encode()[:size_bytes].decode(errors="ignore")

"""What a published file is called: a client's words made harmless, and templates filled in."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from libs.file_name.name import clean_name

MAX_NAME_BYTES: Final = 120
"""UTF-8. With two ids and what a template adds, a name stays below the 255 bytes of file systems."""

_RESERVED = re.compile(r'[<>:"|?*{}]')
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def safe_name(name: str) -> str:
    """One path segment that every file system takes; the extension survives where the name is too long."""
    cleaned = clean_name(_RESERVED.sub("_", name), max_bytes=MAX_NAME_BYTES) or ""
    return cleaned.strip(" .") or "file"


def filled(template: str, values: Mapping[str, str], encode: Callable[[str], str] = str) -> str:
    """`template` with each `{name}` replaced by its value; what a value holds is never replaced again."""
    return _PLACEHOLDER.sub(lambda match: encode(values[match[1]]), template)

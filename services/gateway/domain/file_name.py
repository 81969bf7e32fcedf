"""What a file is called: the last part of what its client says, which may be a whole path of its own machine."""

import re
from typing import Final

MAX_LENGTH: Final = 255

_SEPARATOR = re.compile(r"[/\\]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def base_name(text: str) -> str | None:
    """None where nothing is left. What is too long loses the end of its stem."""
    name = _CONTROL.sub("", _SEPARATOR.split(text)[-1]).strip()
    if not name.strip("."):
        return None
    if len(name) <= MAX_LENGTH:
        return name
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension) > 20:
        return name[:MAX_LENGTH]
    return stem[: MAX_LENGTH - len(extension) - 1] + dot + extension

"""What a file is called that comes from somebody else's storage."""

import re
from typing import Final

MAX_CHARACTERS: Final = 255

_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,10}")
_NOT_IN_A_NAME = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def last_segment(key: str) -> str | None:
    """Without invisible characters; None where nothing remains."""
    name = _NOT_IN_A_NAME.sub("", key.rstrip("/").rpartition("/")[2]).strip()[:MAX_CHARACTERS]
    return name if name.strip(".") else None


def safe_extension(name: str) -> str:
    """With its dot, in lower case; empty where there is none that may stand in a key of ours."""
    stem, dot, extension = name.rpartition(".")
    return f".{extension}".lower() if stem and dot and _EXTENSION.fullmatch(f".{extension}") else ""

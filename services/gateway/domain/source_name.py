"""The extension of a file that comes from somebody else's storage."""

import re

_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,10}")


def safe_extension(name: str) -> str:
    """With its dot, in lower case; empty where there is none that may stand in a key of ours."""
    stem, dot, extension = name.rpartition(".")
    return f".{extension}".lower() if stem and dot and _EXTENSION.fullmatch(f".{extension}") else ""

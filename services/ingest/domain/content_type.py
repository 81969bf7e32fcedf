"""What a source says of the type of its content."""

import re
from typing import Final

_WORD = r"[A-Za-z0-9!#$&^_.+-]{1,100}"
_FORM = re.compile(rf"{_WORD}/{_WORD}(?:; ?{_WORD}=(?:{_WORD}|\"[A-Za-z0-9 _.+/-]{{0,100}}\"))*")
_MAX_LENGTH: Final = 200


def declared_type(header: str | None) -> str | None:
    """The source's Content-Type; None where it has none or one that is not well-formed."""
    text = (header or "").strip()
    return text if len(text) <= _MAX_LENGTH and _FORM.fullmatch(text) else None

"""Which types of content a fetch may have: by what the source declares, and by what its first bytes are."""

import re
from collections.abc import Sequence
from typing import Final

from services.ingest.domain.error import FetchError

_WORD = r"[A-Za-z0-9!#$&^_.+-]{1,100}"
_FORM = re.compile(rf"{_WORD}/{_WORD}(?:; ?{_WORD}=(?:{_WORD}|\"[A-Za-z0-9 _.+/-]{{0,100}}\"))*")
_MAX_LENGTH: Final = 200
_ALIASES: Final = {
    "image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "audio/mp3": "audio/mpeg", "audio/x-wav": "audio/wav",
    "text/xml": "application/xml",
}  # fmt: skip

SAYS_NOTHING: Final = frozenset({"application/octet-stream", "binary/octet-stream", "application/x-download"})
VAGUE: Final = frozenset({"application/octet-stream", "text/plain", "application/xml", "application/zip"})
"""What bytes look like that may well be something more special: `text/csv`, an office document."""
MEDIA: Final = ("image/", "video/", "audio/")
"""Their bytes tell: whoever declares one of them must show it."""


def declared_type(header: str | None) -> str | None:
    """The source's Content-Type; None where it has none or one that is not well-formed."""
    text = (header or "").strip()
    return text if len(text) <= _MAX_LENGTH and _FORM.fullmatch(text) else None


def check_declared(declared: str | None, allowed: Sequence[str], forbidden: Sequence[str]) -> None:
    """Raises FetchError where the source itself says that the content is unwanted; silence is fine for now."""
    kind = _essence(declared)
    if kind and kind not in SAYS_NOTHING:
        _check(kind, allowed, forbidden)


def check_actual(actual: str, declared: str | None, allowed: Sequence[str], forbidden: Sequence[str]) -> None:
    """Raises FetchError where the bytes are something unwanted.

    Where they do not tell much, the declaration counts, unless it promises what bytes do tell.
    """
    kind = _essence(declared)
    is_special = kind and kind not in SAYS_NOTHING and not kind.startswith(MEDIA)
    _check(_essence(actual), () if actual in VAGUE and is_special else allowed, forbidden)


def _check(kind: str, allowed: Sequence[str], forbidden: Sequence[str]) -> None:
    if _matches(kind, forbidden) or (allowed and not _matches(kind, allowed)):
        raise FetchError("fetch_type_forbidden", kind)


def _matches(kind: str, patterns: Sequence[str]) -> bool:
    return any(
        pattern in ("*/*", "*") or kind == pattern or (pattern.endswith("/*") and kind.startswith(pattern[:-1]))
        for pattern in map(_essence, patterns)
    )


def _essence(content_type: str | None) -> str:
    kind = (content_type or "").partition(";")[0].strip().lower()
    return _ALIASES.get(kind, kind)

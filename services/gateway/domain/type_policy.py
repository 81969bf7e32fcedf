"""Which types of content a project takes: by what the client declares, and by what the first bytes are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.gateway.domain.content_type import essence

ALIASES: Final = {
    "image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "audio/mp3": "audio/mpeg", "audio/x-wav": "audio/wav",
    "text/xml": "application/xml",
}  # fmt: skip
SAYS_NOTHING: Final = frozenset({"application/octet-stream", "binary/octet-stream", "application/x-download"})
VAGUE: Final = frozenset({"application/octet-stream", "text/plain", "application/xml", "application/zip"})
"""What bytes look like that may well be something more special: `text/csv`, an office document."""
MEDIA: Final = ("image/", "video/", "audio/")
"""Their bytes tell: whoever declares one of them must show it."""


@dataclass(frozen=True)
class TypePolicy:
    """MIME types, `image/png` or `image/*`."""

    allowed: Sequence[str]
    """These alone; empty: all."""
    forbidden: Sequence[str]

    def __bool__(self) -> bool:
        """False: it takes everything, and nobody needs to look."""
        return bool(self.allowed or self.forbidden)

    def takes_declared(self, declared: str) -> bool:
        """Before the bytes are there: who declares nothing special may go on."""
        kind = _kind(declared)
        return kind in SAYS_NOTHING or self._takes(kind, self.allowed)

    def takes_actual(self, actual: str, declared: str) -> bool:
        """Where the bytes do not tell much, the declaration counts, unless it promises what bytes do tell."""
        kind = _kind(declared)
        is_special = kind not in SAYS_NOTHING and not kind.startswith(MEDIA)
        return self._takes(_kind(actual), () if actual in VAGUE and is_special else self.allowed)

    def _takes(self, kind: str, allowed: Sequence[str]) -> bool:
        return not _matches(kind, self.forbidden) and (not allowed or _matches(kind, allowed))


def _matches(kind: str, patterns: Sequence[str]) -> bool:
    return any(
        kind == pattern or (pattern.endswith("/*") and kind.startswith(pattern[:-1])) for pattern in map(_kind, patterns)
    )


def _kind(content_type: str) -> str:
    kind = essence(content_type)
    return ALIASES.get(kind, kind)

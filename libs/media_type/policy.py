"""Which types of content are taken: by what is declared, and by what the first bytes are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

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
    """MIME types in any case, `image/png`, `image/*` or `*/*`; content must satisfy both questions."""

    allowed: Sequence[str]
    """These alone; empty: all."""
    forbidden: Sequence[str]

    def __bool__(self) -> bool:
        """False: it takes everything, and nobody needs to look."""
        return bool(self.allowed or self.forbidden)

    def takes_declared(self, declared: str | None) -> bool:
        """Before the bytes are there: who declares nothing special may go on."""
        kind = type_of(declared)
        return not kind or kind in SAYS_NOTHING or self._takes(kind, self.allowed)

    def takes_actual(self, actual: str, declared: str | None) -> bool:
        """Where the bytes do not tell much, the declaration counts, unless it promises what bytes do tell."""
        kind = type_of(declared)
        is_special = bool(kind) and kind not in SAYS_NOTHING and not kind.startswith(MEDIA)
        return self._takes(type_of(actual), () if actual in VAGUE and is_special else self.allowed)

    def _takes(self, kind: str, allowed: Sequence[str]) -> bool:
        return not _matches(kind, self.forbidden) and (not allowed or _matches(kind, allowed))


def type_of(content_type: str | None) -> str:
    """`type/subtype` in its usual spelling, without parameters; empty for None."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    return ALIASES.get(kind, kind)


def _matches(kind: str, patterns: Sequence[str]) -> bool:
    return any(
        pattern in ("*/*", kind) or (pattern.endswith("/*") and kind.startswith(pattern[:-1]))
        for pattern in map(type_of, patterns)
    )

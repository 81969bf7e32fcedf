"""Is what the store holds what was registered?"""

from dataclasses import dataclass

from contracts.events import Constraints, StoredObject


@dataclass(frozen=True)
class Verdict:
    """`code` None: accepted."""

    code: str | None = None
    message: str = ""

    @property
    def accepted(self) -> bool:
        return self.code is None


ACCEPTED = Verdict()


def verify(constraints: Constraints, found: StoredObject) -> Verdict:
    """Compares declared with actual size and type. Codes: `size_mismatch`, `too_large`, `too_small`, `content_type_mismatch`.

    Types are compared without parameters and without case; a store that reports no type contradicts nothing.
    """
    size = found.size_bytes
    if constraints.size_bytes is not None and size != constraints.size_bytes:
        return Verdict("size_mismatch", f"Declared {constraints.size_bytes} bytes, stored {size}.")
    if size > constraints.max_size_bytes:
        return Verdict("too_large", f"At most {constraints.max_size_bytes} bytes are allowed, stored {size}.")
    if size < constraints.min_size_bytes:
        return Verdict("too_small", f"At least {constraints.min_size_bytes} bytes are needed, stored {size}.")
    declared, actual = media_type(constraints.content_type), media_type(found.content_type)
    if declared and actual and declared != actual:
        return Verdict("content_type_mismatch", f"Declared {declared}, stored {actual}.")
    return ACCEPTED


def media_type(content_type: str | None) -> str:
    """`Image/PNG; charset=x` → `image/png`; empty for None."""
    return (content_type or "").partition(";")[0].strip().lower()

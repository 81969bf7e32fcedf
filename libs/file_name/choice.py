"""Which name counts where a header says several (RFC 6266 section 4.3, RFC 7578 section 4.2)."""

from collections.abc import Sequence

from libs.file_name.name import clean_name
from libs.file_name.text import decode_broken, decode_escapes, decode_extended


def best_name(*, extended: Sequence[str], plain: Sequence[str]) -> str | None:
    """The first name that says something, as it was sent; None where there is none.

    `extended` are values of `filename*`, `plain` of `filename`, decoded with `surrogateescape`. An extended one counts more;
    one that cannot be decoded counts least, so that it never costs the other.
    """
    candidates = (*map(decode_extended, extended), *map(decode_escapes, plain), *map(decode_broken, extended))
    return next((name for name in candidates if name and clean_name(name)), None)

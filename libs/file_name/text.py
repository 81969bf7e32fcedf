"""How the bytes of a name become text. Clients still send names in the code page of their machine and do not say which."""

from typing import Final
from urllib.parse import unquote_to_bytes

_CHARSETS: Final = frozenset(
    [
        "utf-8", "utf8", "us-ascii", "koi8-r", "koi8-u", "big5", "gb2312", "gbk", "gb18030", "shift_jis", "euc-jp", "euc-kr",
        *(f"iso-8859-{number}" for number in (*range(1, 12), *range(13, 17))),
        *(f"windows-{number}" for number in range(1250, 1259)),
    ]
)  # fmt: skip
"""The charsets that browsers and mail programs name, as Python knows them: no other one is looked up."""


def decode(raw: bytes) -> str:
    """UTF-8, or else Windows-1252, which makes text of any bytes (the fallback of the WHATWG encoding standard).

    Other code pages are not guessed: in a few bytes nobody can tell them apart.
    """
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def decode_escapes(text: str) -> str:
    """`decode` for text that was decoded with `surrogateescape`."""
    return text if text.isascii() else decode(text.encode("utf-8", "surrogateescape"))


def decode_extended(value: str) -> str | None:
    """`UTF-8'en'%e2%82%ac` → `€` (RFC 8187 section 3.2); None where the charset is not known or the bytes are not in it."""
    charset, _, rest = value.partition("'")
    _language, quote, encoded = rest.partition("'")
    if not quote or charset.strip().lower() not in _CHARSETS:
        return None
    try:
        return _unquoted(encoded).decode(charset.strip())
    except UnicodeDecodeError:
        return None


def decode_broken(value: str) -> str:
    """What can be read of an extended value that `decode_extended` does not take."""
    encoded = value.split("'", 2)[-1] if value.count("'") >= 2 else value
    return decode(_unquoted(encoded))


def _unquoted(encoded: str) -> bytes:
    return unquote_to_bytes(encoded.encode("utf-8", "surrogateescape"))

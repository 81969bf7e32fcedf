"""What a fetched file is called: by RFC 6266 (Content-Disposition) and RFC 8187 (`filename*`), else the URL's last segment."""

import re
from typing import Final
from urllib.parse import unquote, unquote_to_bytes, urlsplit

MAX_CHARACTERS: Final = 255

_PARAMETER = re.compile(r';\s*(?P<name>filename\*?)\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"?|(?P<plain>[^;]*))', re.IGNORECASE)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"?')
_EXTENDED = re.compile(r"(?P<charset>utf-8|iso-8859-1)'[^']*'(?P<value>[^']*)", re.IGNORECASE)
_NOT_IN_A_NAME = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def file_name(disposition: str | None, url: str) -> str | None:
    """The name, without folders and invisible characters; None where nobody says one.

    `disposition` is the header's value as the HTTP client decodes it (UTF-8 with surrogate escapes), `url` the address where
    the redirects ended.
    """
    named = _disposition_name(_decoded(disposition)) if disposition else None
    return named or _cleaned(unquote(urlsplit(url).path.rpartition("/")[2]))


def _disposition_name(disposition: str) -> str | None:
    """`filename*` wins over `filename`, wherever it stands; one that cannot be read is not there."""
    extended = plain = None
    for name, value in _parameters(disposition):
        if name == "filename*":
            extended = extended or _cleaned(_extended(value))
        else:
            plain = plain or _cleaned(value)
    return extended or plain


def _parameters(disposition: str) -> list[tuple[str, str]]:
    found = []
    position = 0
    while position < len(disposition):
        if match := _PARAMETER.match(disposition, position):
            quoted = match["quoted"]
            value = match["plain"].strip() if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            found.append((match["name"].lower(), value))
        else:
            match = _QUOTED.match(disposition, position)  # what another parameter quotes is none of ours
        position = match.end() if match else position + 1
    return found


def _extended(value: str) -> str:
    match = _EXTENDED.fullmatch(value)
    return unquote_to_bytes(match["value"]).decode(match["charset"], "replace") if match else ""


def _decoded(header: str) -> str:
    """Bytes that are not UTF-8 are ISO-8859-1, as headers once were."""
    raw = header.encode("utf-8", "surrogateescape")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _cleaned(name: str) -> str | None:
    last = re.split(r"[/\\]", name)[-1]
    cleaned = _NOT_IN_A_NAME.sub("", last).strip()
    return _shortened(cleaned) if cleaned.strip(".") else None


def _shortened(name: str) -> str:
    """Its extension is kept."""
    stem, dot, extension = name.rpartition(".")
    if len(name) <= MAX_CHARACTERS or not dot or len(extension) > 20:
        return name[:MAX_CHARACTERS]
    return f"{stem[: MAX_CHARACTERS - len(extension) - 1]}.{extension}"

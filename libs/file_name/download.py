"""What a downloaded file is called: by its Content-Disposition (RFC 6266, RFC 8187), else by the last segment of its URL."""

import re
from urllib.parse import unquote_to_bytes, urlsplit

from libs.file_name.choice import best_name
from libs.file_name.name import clean_name
from libs.file_name.text import decode

_PARAMETER = re.compile(r';\s*(?P<name>filename\*?)\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"?|(?P<plain>[^;]*))', re.IGNORECASE)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"?')


def download_name(disposition: str | None, url: str) -> str | None:
    """The name as `clean_name` leaves it; None where nobody says one.

    `disposition` is the header's value as the HTTP client decodes it (UTF-8 with surrogate escapes), read leniently: nothing
    about it costs the download. `url` is the address where the redirects ended.
    """
    names: dict[str, list[str]] = {"filename*": [], "filename": []}
    for parameter, value in _parameters(disposition or ""):
        names[parameter].append(value)
    named = best_name(extended=names["filename*"], plain=names["filename"])
    return clean_name(named or decode(unquote_to_bytes(urlsplit(url).path.rpartition("/")[2])))


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

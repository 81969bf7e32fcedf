"""The head of a form's part, and header parameters in the ways that clients write them.

Sources: RFC 7578 section 4; WHATWG "multipart/form-data encoding algorithm" (`"` becomes `%22`, a backslash stays);
pyuploadcare and curl (a backslash doubled); RFC 2231 and RFC 8187 (`filename*`, `filename*0`).
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from libs.web.form_error import MalformedFormError, NulCharacterError

_MAX_HEADERS = 32
_NEXT = r"(?=[ \t]*(?:;|$))"
_PARAMETER = re.compile(
    rf"""[ \t]*;[ \t]*(?:
        (?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*(?:
            "(?P<escaped>(?:[^"\\]|\\.)*)"{_NEXT}
            | "(?P<plain>[^"]*)"{_NEXT}     # a backslash that means itself stands before the closing quote
            | (?P<token>[^\s;"]*){_NEXT}
        )
    )?""",
    re.VERBOSE,
)
_CHARSETS = {"utf-8": "utf-8", "iso-8859-1": "latin-1"}
_PLAIN_ENCODINGS = ("", "7bit", "8bit", "binary")


@dataclass(frozen=True, slots=True)
class PartHead:
    name: str
    filename: str | None
    """None: a text field."""
    content_type: str | None


def parse_head(head: bytes) -> PartHead:
    """Raises MalformedFormError, or NulCharacterError."""
    headers = _headers(head)
    kind, parameters = parse_parameters(headers.get("content-disposition", ""))
    if kind != "form-data" or "name" not in parameters:
        raise MalformedFormError("A part has no Content-Disposition of a form field.")
    if headers.get("content-transfer-encoding", "").lower() not in _PLAIN_ENCODINGS:
        raise MalformedFormError("A Content-Transfer-Encoding is not supported.")
    filename = _extended(parameters, "filename")
    if filename is None and "filename" in parameters:
        filename = parameters["filename"].replace("%22", '"')
    return PartHead(parameters["name"].replace("%22", '"'), filename, headers.get("content-type") or None)


def parse_parameters(value: str) -> tuple[str, dict[str, str]]:
    """`form-data; name="a"` → ("form-data", {"name": "a"}); names in lower case. Raises MalformedFormError."""
    kind = value.partition(";")[0]
    at, parameters = len(kind), dict[str, str]()
    while at < len(value.rstrip()):
        found = _PARAMETER.match(value, at)
        if found is None:
            raise MalformedFormError("A header's parameters are malformed.")
        at = found.end()
        if found["name"] is None:
            continue
        name = found["name"].lower()
        if name in parameters:
            raise MalformedFormError("A header has a parameter twice.")
        parameters[name] = _unquoted(found)
    return kind.strip().lower(), parameters


def _headers(head: bytes) -> dict[str, str]:
    if b"\0" in head:
        raise NulCharacterError("The head of a part contains a NUL character.")
    try:
        text = head.decode()
    except UnicodeDecodeError:
        raise MalformedFormError("The head of a part is not UTF-8.") from None
    lines = re.sub(r"\r\n[ \t]+", " ", text).split("\r\n") if text else []
    if len(lines) > _MAX_HEADERS:
        raise MalformedFormError("A part has too many headers.")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        name = name.lower()
        if not colon or not name or name != name.strip() or "\r" in line or "\n" in line or name in headers:
            raise MalformedFormError("The head of a part is malformed.")
        headers[name] = value.strip(" \t")
    return headers


def _unquoted(found: re.Match[str]) -> str:
    if found["escaped"] is not None:
        # Nothing else is an escape: `C:\temp` has always been sent as it is.
        return re.sub(r'\\(["\\])', r"\1", found["escaped"])
    return found["plain"] if found["plain"] is not None else found["token"]


def _extended(parameters: dict[str, str], name: str) -> str | None:
    """`name*` of RFC 8187, or the pieces `name*0`, `name*1*` of RFC 2231; None where there is neither."""
    if f"{name}*" in parameters:
        return _decoded(parameters[f"{name}*"])
    pieces, encoded = list[str](), False
    while (piece := parameters.get(f"{name}*{len(pieces)}*")) is not None or f"{name}*{len(pieces)}" in parameters:
        plain = parameters.get(f"{name}*{len(pieces)}", "").replace("%", "%25")
        encoded = encoded or piece is not None
        pieces.append(plain if piece is None else piece)
    if not pieces:
        return None
    joined = "".join(pieces)
    return _decoded(joined) if encoded else joined.replace("%25", "%")


def _decoded(value: str) -> str:
    """`UTF-8'en'%e2%82%ac` → `€`."""
    charset, _, rest = value.partition("'")
    _language, quote, text = rest.partition("'")
    codec = _CHARSETS.get(charset.lower())
    if not quote or codec is None:
        raise MalformedFormError("An extended parameter is malformed.")
    try:
        decoded = unquote_to_bytes(text).decode(codec)
    except UnicodeDecodeError:
        raise MalformedFormError("An extended parameter is not in its charset.") from None
    if "\0" in decoded:
        raise NulCharacterError("A file name contains a NUL character.")
    return decoded

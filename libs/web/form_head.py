"""The head of a form's part, and header parameters in the ways that clients write them.

Sources: RFC 7578 section 4; WHATWG "multipart/form-data encoding algorithm" (`"` becomes `%22`, a backslash stays);
pyuploadcare and curl (a backslash doubled); RFC 2231 and RFC 8187 (`filename*`, `filename*0`). Names that are not UTF-8 are
read as well as `libs.file_name` can.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from libs.file_name.choice import best_name
from libs.file_name.text import decode_escapes
from libs.web.form_error import MalformedFormError, NulCharacterError

_MAX_HEADERS = 32
_NEXT = r"(?=[ \t]*(?:;|$))"
_PARAMETER = re.compile(
    rf"""[ \t]*;[ \t]*(?:
        (?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*+(?:
            "(?P<escaped>(?:[^"\\]|\\.)*)"{_NEXT}
            | "(?P<plain>[^"]*)"{_NEXT}     # a backslash that means itself stands before the closing quote
            | (?!")(?P<token>[^;]*+)        # with spaces or quotes in it, as careless clients send it
        )
    )?""",
    re.VERBOSE,
)
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
    filename = _filename(parameters)
    if filename is not None and "\0" in filename:
        raise NulCharacterError("A file name contains a NUL character.")
    content_type = headers.get("content-type")
    return PartHead(_plain(parameters["name"]), filename, decode_escapes(content_type) if content_type else None)


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
    text = head.decode("utf-8", "surrogateescape")
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
    return found["plain"] if found["plain"] is not None else found["token"].rstrip()


def _plain(value: str) -> str:
    return decode_escapes(value).replace("%22", '"')


def _filename(parameters: Mapping[str, str]) -> str | None:
    """The best that there is, as it was sent; empty where the file has no name, None for a text field."""
    plain = [_plain(parameters["filename"])] if "filename" in parameters else []
    extended = parameters.get("filename*", _continued(parameters))
    if extended is None and not plain:
        return None
    return best_name(extended=[] if extended is None else [extended], plain=plain) or "".join(plain)


def _continued(parameters: Mapping[str, str]) -> str | None:
    """The pieces `filename*0`, `filename*1*` of RFC 2231 as the one value that RFC 8187 has; None where there are none."""
    pieces, encoded = list[str](), False
    while (piece := parameters.get(f"filename*{len(pieces)}*")) is not None or f"filename*{len(pieces)}" in parameters:
        plain = parameters.get(f"filename*{len(pieces)}", "").replace("%", "%25")
        encoded = encoded or piece is not None
        pieces.append(plain if piece is None else piece)
    if not pieces:
        return None
    return ("" if encoded else "UTF-8''") + "".join(pieces)

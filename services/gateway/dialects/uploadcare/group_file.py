"""What a group is asked for: `files[N]` or `files[]`, each a UUID or a CDN URL, with or without image operations (U-33)."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from contracts.ids import UploadId
from services.gateway.dialects.uploadcare.errors import UploadcareError
from services.gateway.dialects.uploadcare.params import Params, to_uuid

MAX_EFFECTS_LENGTH: Final = 1000

_NUMBERED = re.compile(r"files\[([0-9]{1,9})\]")
_EFFECTS = re.compile(r"[A-Za-z0-9_.,:;%@~+*()|$=&!'/-]*")


@dataclass(frozen=True)
class GroupFile:
    upload_id: UploadId
    effects: str
    """Without the leading `-/`; empty: none."""


def group_files(params: Params) -> list[GroupFile]:
    """In the order of their numbers, those without after them as they came. Raises UploadcareError."""
    numbered: dict[int, str] = {}
    plain: list[str] = []
    for name, value in params.fields:
        if (number := _NUMBERED.fullmatch(name)) is not None:
            if numbered.setdefault(int(number[1]), value) != value:
                raise UploadcareError("GroupViewsError")
        elif name in ("files[]", "files"):
            plain.append(value)
    urls = [*(url for _, url in sorted(numbered.items())), *plain]
    if not urls:
        raise UploadcareError("GroupFilesInvalidError")
    return [parse_file_url(url) for url in urls]


def parse_file_url(text: str) -> GroupFile:
    """The host of a URL may be any: clients build it from a CDN base of their own. Raises UploadcareError."""
    refusal = UploadcareError("GroupFileURLParsingFailedError", text)
    path = text.strip()
    if "://" in path:
        try:
            parts = urlsplit(path)
        except ValueError:
            raise refusal from None
        if parts.scheme.lower() not in ("http", "https") or not parts.netloc:
            raise refusal
        path = parts.path
    file_id, _, rest = path.strip("/").partition("/")
    upload_id = to_uuid(file_id)
    if upload_id is None or len(rest) > MAX_EFFECTS_LENGTH or _EFFECTS.fullmatch(rest) is None:
        raise refusal
    if not rest:
        return GroupFile(UploadId(upload_id), "")
    if not rest.startswith("-/"):  # a file name may follow the id, and nothing else
        if "/" in rest:
            raise refusal
        return GroupFile(UploadId(upload_id), "")
    return GroupFile(UploadId(upload_id), rest.removeprefix("-/").rstrip("/") + "/")

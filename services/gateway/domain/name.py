"""File and folder names as json2video states them (J-06, J-15), and the addresses made of them."""

import re
from typing import Final
from urllib.parse import quote

from services.gateway.domain.error import InvalidFieldError

TEMPORARY_FOLDER: Final = "temp"
MAX_NAME_LENGTH: Final = 255
MAX_FOLDER_LENGTH: Final = 512

_NOT_IN_NAME = re.compile(r"[^a-zA-Z0-9._-]")
_NOT_IN_FOLDER = re.compile(r"[^a-zA-Z0-9/_-]")
_SLASHES = re.compile(r"/{2,}")


def file_name(text: str) -> str:
    """Each character outside `[a-zA-Z0-9._-]` becomes `_`; so do the dots of a name made of dots alone.

    Raises InvalidFieldError when it is empty or longer than 255 characters.
    """
    if not text:
        raise InvalidFieldError("name", "name is required")
    if len(text) > MAX_NAME_LENGTH:
        raise InvalidFieldError("name", f"name must have at most {MAX_NAME_LENGTH} characters")
    name = _NOT_IN_NAME.sub("_", text)
    return name.replace(".", "_") if not name.strip(".") else name


def folder_path(text: str) -> str:
    """What remains of `[a-zA-Z0-9/_-]`, without empty segments; empty for the root.

    Raises InvalidFieldError when it is longer than 512 characters or when nothing remains of a name that had something.
    """
    if len(text) > MAX_FOLDER_LENGTH:
        raise InvalidFieldError("folder", "Invalid folder name")
    path = _SLASHES.sub("/", _NOT_IN_FOLDER.sub("", text)).strip("/")
    if not path and text.strip("/"):
        raise InvalidFieldError("folder", "Invalid folder name")
    return path


def parents(path: str) -> list[str]:
    """`a/b/c` → `a`, `a/b`, `a/b/c`."""
    segments = path.split("/")
    return ["/".join(segments[: end + 1]) for end in range(len(segments))]


def is_temporary(folder: str) -> bool:
    """In `temp` or below it."""
    return folder == TEMPORARY_FOLDER or folder.startswith(f"{TEMPORARY_FOLDER}/")


def split_path(path: str) -> tuple[str, str]:
    """`/videos/clip.mp4` → (`videos`, `clip.mp4`), both sanitised. Raises InvalidFieldError."""
    folder, _, name = path.strip("/").rpartition("/")
    return folder_path(folder), file_name(name)


def file_url(base_url: str, client_id: str, folder: str, name: str) -> str:
    """J-12: `{base_url}/{client_id}/files/<folder>/<name>`, percent-encoded."""
    path = f"{folder}/{name}" if folder else name
    return f"{base_url}/{client_id}/files/{quote(path)}"

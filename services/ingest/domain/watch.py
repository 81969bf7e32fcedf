"""The rules of watch folders (acceptance part 2.1, after the vendor's own script), without I/O.

A file is taken when nobody has touched it for a while. While its bytes are read it is called `<name>.lock`. When it has become
an upload it goes, or goes to `.done/`; when it could not, it gets its name back and `<name>.error.txt` beside it, and is left
alone until one of the two changes.
"""

import re
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, Literal
from uuid import UUID

from contracts.events import WatchFolderKind
from contracts.ids import TenantId, UploadId
from services.ingest.domain.ignored_name import IgnoredNames

WATCH: Final = "watch"
"""The wake-up of the loop that looks for files."""
CLEARING: Final = "watch.clearing"
"""The wake-up of the loop that clears away what has become of them."""

LOCK: Final = ".lock"
ERROR: Final = ".error.txt"
DONE: Final = ".done"
EMPTY: Final = "fetch_empty: the file is empty"
"""The reason of an error note for a file that nobody has filled."""
NOTE_END: Final = (
    "Longshore tries again when the file changes or this note is deleted.\nIt deletes the note when it has taken the file.\n"
)
"""By which an error note of ours is known."""
MAX_DEPTH: Final = 8
"""Folders below each other."""
MAX_NAME_BYTES: Final = 255
MAX_PATH_BYTES: Final = 2000
"""A longer one does not fit into an index of the database."""

_NUMBERED = re.compile(r"(\d{1,18})_(.*)", re.DOTALL)


@dataclass(frozen=True)
class WatchFolder:
    id: UUID
    tenant_id: TenantId
    kind: WatchFolderKind
    on_success: Literal["delete", "move"]
    settings_sealed: str = field(repr=False)


@dataclass(frozen=True)
class Sighting:
    """A file as it lies there now."""

    path: str
    """Below the watch folder, its segments joined by `/`."""
    size_bytes: int
    version: str
    """Changes with every write."""
    changed_at: float
    """In seconds since 1970: the last time that anything about it changed, its name included."""

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class WatchedFile:
    """One that was found, until it has gone or is kept."""

    id: UploadId
    path: str
    size_bytes: int
    version: str

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class Cleared:
    """What has become of a file whose upload ended."""

    file: WatchedFile
    watch_folder_id: UUID
    reason: str | None
    """None: it is an upload now."""
    attempts: int
    aside_path: str | None = None
    """Where it was set aside: it only remains to be seen whether it still changes there."""
    aside_seconds: float = 0
    """For how long it has been there."""


def is_candidate(path: str, ignored: IgnoredNames) -> bool:
    """Whether this may become an upload. Ignored names, and what we or the vendor's script put beside files, may not."""
    if path.count("/") > MAX_DEPTH or path.lower().endswith((LOCK, ERROR)) or not is_storable(path):
        return False
    return ignored.first_in(path) is None


def is_storable(path: str) -> bool:
    """What is not text was put there by nobody who wants it to be found."""
    try:
        return len(path.encode()) <= MAX_PATH_BYTES and "\0" not in path
    except UnicodeEncodeError:
        return False


def folder_of(path: str) -> tuple[str | None, str | None]:
    """Id and label of the subfolder `<folder_id>_<label>` in which it lies; without an id the whole name is the label."""
    top, slash, _ = path.partition("/")
    if not slash:
        return None, None
    numbered = _NUMBERED.fullmatch(top)
    return (numbered[1], numbered[2] or None) if numbered else (None, top)


def beside(name: str, suffix: str, *, max_bytes: int = MAX_NAME_BYTES) -> str:
    """`<name><suffix>`, or where that is too long a name that stands for it."""
    full = name + suffix
    return full if len(full.encode()) <= max_bytes else sha256(name.encode()).hexdigest()[:32] + suffix


def draft_of(name: str) -> str:
    """The hidden name of an error note that is not complete."""
    return "." + beside(name, ".draft", max_bytes=MAX_NAME_BYTES - 1)


def other_name(file: WatchedFile) -> str:
    """For a file that must not lose itself or another one that has got its name meanwhile."""
    stem, dot, extension = file.name.rpartition(".")
    mark = f".{file.id.hex[:8]}"
    named = f"{stem}{mark}.{extension}" if stem and dot else f"{file.name}{mark}"
    return named if len(named.encode()) <= MAX_NAME_BYTES else f"{file.id.hex}.{extension[:20]}"


def error_note(reason: str) -> bytes:
    return f"{reason}\n\n{NOTE_END}".encode()


def is_error_note(content: bytes) -> bool:
    """Whether this is a note of ours, and no file of somebody else."""
    return content.endswith(NOTE_END.encode())


def recheck_pause_seconds(aside_seconds: float, settle_seconds: float, grace_seconds: float) -> float:
    """Until the next look at a file that was set aside: as long again as it has been there, and not beyond its grace."""
    return max(0.0, min(max(1.0, settle_seconds, aside_seconds), grace_seconds - aside_seconds))


def clear_pause_seconds(attempts: int) -> float:
    """After the `attempts`-th attempt to clear a file away: 1 s doubling to 5 min."""
    return float(min(300, 2 ** min(9, max(0, attempts - 1))))

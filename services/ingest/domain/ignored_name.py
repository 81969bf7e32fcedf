"""Names in watch folders that belong to a NAS, an operating system or an unfinished copy: left alone, and never deleted.

A pattern matches one segment of a path, file or folder: `*` stands for any characters, `?` for one, `[…]` for one of several.
Names from Windows and macOS, whose file systems ignore case, match in any case; those from Linux match exactly.
"""

import re
from collections.abc import Iterable
from fnmatch import translate
from typing import Final

LINUX_NAMES: Final = (
    # Hidden: .DS_Store, ._*, .AppleDouble, .Spotlight-V100, .fseventsd, .TemporaryItems, .Trash*, .~lock.*, .sync, .stfolder,
    # .stversions, .snapshot, .zfs, .recycle, .@__thumb, .~tmp~, the `.<name>.XXXXXX` of rsync, the `.in.<name>.` of FTP servers
    ".*",
    # Synology
    "@eaDir", "*@SynoEAStream", "*@SynoResource", "#recycle", "#snapshot", "@sharesnap", "@tmp",
    # QNAP
    "@Recycle", "@Recently-Snapshot", "@__thumb",
    # Snapshots of NetApp, and of Samba
    "~snapshot", "@GMT-*",
    # ext4 and quotas
    "lost+found", "aquota.user", "aquota.group",
)  # fmt: skip
CASELESS_NAMES: Final = (
    # Windows
    "$RECYCLE.BIN", "RECYCLER", "RECYCLED", "System Volume Information", "Thumbs.db", "Thumbs.db:*", "ehthumbs*.db",
    "desktop.ini",
    # Owner files of Microsoft Office
    "~$*",
    # macOS on shares of others
    "Network Trash Folder", "Temporary Items", "TheVolumeSettingsFolder", "TheFindByContentFolder", "Icon\r",
    # What programs call a file that they have not finished, and Safari the folder in which it lies
    "*.part", "*.partial", "*.crdownload", "*.opdownload", "*.fdmdownload", "*.download", "*.filepart", "*.aria2", "*.!ut",
    "*.!qB", "*.bc!", "*.!sync", "*.syncpart", "*.synctemp", "*.lftp-pget-status", "*.tmp", "*.temp", "*~",
)  # fmt: skip


class IgnoredNames:
    def __init__(self, more: Iterable[str] = ()) -> None:
        """`more` are patterns of the operator; they match in any case."""
        caseless = _any_of((*CASELESS_NAMES, *more))
        self._pattern = re.compile(f"{_any_of(LINUX_NAMES)}|(?i:{caseless})")

    def match(self, name: str) -> bool:
        """`name` is one segment of a path."""
        return self._pattern.match(name) is not None

    def first_in(self, path: str) -> str | None:
        """The part of the path that ends with its first ignored segment; None where no segment is ignored."""
        segments = path.split("/")
        for number, segment in enumerate(segments, 1):
            if self.match(segment):
                return "/".join(segments[:number])
        return None


def parse_patterns(text: str) -> tuple[str, ...]:
    """Comma-separated patterns, e.g. `*.xmp, Proxies`. Raises ValueError for one that can match no name."""
    patterns = tuple(part.strip() for part in text.split(",") if part.strip())
    for pattern in patterns:
        if "/" in pattern:
            raise ValueError(f"{pattern!r} holds a slash, but a pattern is compared with one name of a file or folder")
    return patterns


def _any_of(patterns: Iterable[str]) -> str:
    return "|".join(map(translate, patterns))

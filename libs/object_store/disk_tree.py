"""Where an object of a key lies below a folder, and which keys there are. Blocking: for worker threads.

The last two segments of a key are one name: `files/<id>/original.png` is `files/<id>,original.png`. So the objects that come
and go in great number lie in few folders, which need not be made first, and one sync of a folder makes many names durable.

Names are changed by one thread at a time; anybody may read them meanwhile.
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from heapq import merge
from pathlib import Path
from typing import NamedTuple

_SEGMENT = "[A-Za-z0-9_-][A-Za-z0-9._-]{0,126}"
"""Two of them, and a comma, are as long as a name may be."""
_KEY = re.compile(f"{_SEGMENT}(/{_SEGMENT})*")
_MAX_KEY = 1024
_MAX_LASTS = 100


class InvalidKeyError(ValueError):
    """A key has up to 1024 characters, in segments of up to 127 of `[A-Za-z0-9._-]`, none of which starts with a dot."""

    code = "invalid_key"


class Place(NamedTuple):
    folder: str
    group: str
    """The segment before the last one; empty where there is none."""
    name: str

    @property
    def path(self) -> str:
        return f"{self.folder}/{self.name}"


class LastSegments:
    """What the names of the large folders end with: a million files have few such ends (`original.png`, `original.mp4`), so
    that what a group has is found by trying them instead of searching the folder.
    """

    def __init__(self) -> None:
        self._known: defaultdict[str, set[str]] = defaultdict(set)
        self._complete: set[str] = set()
        """Folders that were searched once since the start."""

    def add(self, folder: str, last: str) -> None:
        known = self._known[folder]
        if len(known) <= _MAX_LASTS:
            known.add(last)

    def of_group(self, folder: str, group: str) -> list[str]:
        """The last segments of the group's keys; too many are better searched for."""
        known = self._known[folder]
        if folder in self._complete and len(known) <= _MAX_LASTS:
            return [last for last in list(known) if os.path.lexists(f"{folder}/{group},{last}")]
        groups, _inner = _names_in(folder)
        for lasts in groups.values():
            for last in lasts:
                self.add(folder, last)
        self._complete.add(folder)
        return groups.get(group, [])


class DiskTree:
    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self._depth = self.root.count("/")
        self._lasts = LastSegments()

    def place(self, key: str) -> Place:
        """Raises InvalidKeyError."""
        if not _KEY.fullmatch(key) or len(key) > _MAX_KEY:
            raise InvalidKeyError(key)
        parent, _, last = key.rpartition("/")
        above, _, group = parent.rpartition("/")
        return Place(self._folder(above), group, f"{group},{last}")

    def put(self, path: str, place: Place, dirty: set[str]) -> None:
        """Renames the file to its place, over what lies there. Adds the folders whose names have changed to `dirty`."""
        if self._is_large(place.folder):
            self._lasts.add(place.folder, place.name.partition(",")[2])
        try:
            os.rename(path, place.path)
        except FileNotFoundError:
            self._make(place.folder, dirty)
            os.rename(path, place.path)
        dirty.add(place.folder)

    def take(self, place: Place, path: str, dirty: set[str]) -> None:
        """The reverse of `put`: renames the file away. Raises FileNotFoundError."""
        os.rename(place.path, path)
        dirty.add(place.folder)
        self.tidy(place.folder, dirty)

    def tidy(self, folder: str, dirty: set[str]) -> None:
        """Removes the folder and those above it as far as they are empty; what lies directly below the root is needed again."""
        with suppress(OSError):
            while folder.count("/") > self._depth + 1:
                os.rmdir(folder)
                dirty.discard(folder)
                folder = folder.rpartition("/")[0]
                dirty.add(folder)

    def walk(self, prefix: str, after: str) -> Iterator[tuple[str, str]]:
        """Keys and paths in the order of the keys; one folder's names at a time in memory."""
        head = prefix.rpartition("/")[0]
        if not head:
            yield from self._walk(self.root, "", prefix, after)
            return
        above, _, group = head.rpartition("/")
        folder = self._folder(above)
        lasts = self._lasts.of_group(folder, group) if self._is_large(folder) else _names_in(folder)[0].get(group, [])
        leaves = [(f"{head}/{last}", f"{folder}/{group},{last}") for last in lasts]
        yield from merge(_within(leaves, prefix, after), self._walk(self._folder(head), f"{head}/", prefix, after))

    def _walk(self, folder: str, base: str, prefix: str, after: str) -> Iterator[tuple[str, str]]:
        """What lies below the folder of the segments `base`, which ends with a slash or is empty."""
        groups, inner = _names_in(folder)
        # A group without a name has the keys of one segment: each stands for itself, between the groups.
        units = [(f"{base}{last}", "") for last in groups.pop("", ())] + [(f"{base}{group}/", group) for group in groups]
        for unit, group in sorted(units):
            if not (unit.startswith(prefix) or prefix.startswith(unit)) or not (unit > after or after.startswith(unit)):
                continue
            if not group:
                yield from _within([(unit, f"{folder}/,{unit}")], prefix, after)
                continue
            leaves = [(f"{unit}{last}", f"{folder}/{group},{last}") for last in groups[group]]
            found = _within(leaves, prefix, after)
            deeper = self._walk(f"{folder}/{group}", unit, prefix, after) if group in inner else ()
            yield from merge(found, deeper)

    def _is_large(self, folder: str) -> bool:
        """Whether any number of groups may be in it: it lies directly below the root."""
        return folder.count("/") == self._depth + 1

    def _folder(self, segments: str) -> str:
        return f"{self.root}/{segments}" if segments else self.root

    def _make(self, folder: str, dirty: set[str]) -> None:
        parent = folder.rpartition("/")[0]
        try:
            os.mkdir(folder)
        except FileExistsError:
            return
        except FileNotFoundError:
            self._make(parent, dirty)
            os.mkdir(folder)
        dirty.add(parent)


def _names_in(folder: str) -> tuple[dict[str, list[str]], set[str]]:
    """The last segments of each group, and which groups have a folder."""
    groups: dict[str, list[str]] = {}
    inner: set[str] = set()
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        names = []
    for name in names:
        group, comma, last = name.partition(",")
        if not comma:
            inner.add(group)
            groups.setdefault(group, [])
        else:
            groups.setdefault(group, []).append(last)
    return groups, inner


def _within(leaves: list[tuple[str, str]], prefix: str, after: str) -> list[tuple[str, str]]:
    return sorted([leaf for leaf in leaves if leaf[0].startswith(prefix) and leaf[0] > after])

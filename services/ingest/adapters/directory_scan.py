"""What lies in a watched directory. Blocking: for threads."""

import os
from collections.abc import Sequence
from pathlib import Path

from services.ingest.adapters.inside import opened_below, opened_root, status
from services.ingest.adapters.place import MAX_SIGHTINGS, LocalDirectory, Survey
from services.ingest.domain.ignored_name import IgnoredNames
from services.ingest.domain.watch import ERROR, LOCK, MAX_DEPTH, Sighting, beside, is_candidate, is_storable


def scan(root: Path, segments: Sequence[str], ignored: IgnoredNames) -> Survey:
    """Of the directory `segments` below `root`. Raises OSError where that itself cannot be read."""
    found = _Scan(ignored)
    with opened_root(root, segments) as folder:
        found.walk(folder, root.joinpath(*segments), ())
    return Survey(found.files, frozenset(found.directories), found.orphaned_notes)


class _Scan:
    def __init__(self, ignored: IgnoredNames) -> None:
        self.files: list[Sighting] = []
        self.directories: set[LocalDirectory] = set()
        self.orphaned_notes: list[str] = []
        self._ignored = ignored

    def walk(self, folder: int, directory: Path, above: tuple[str, ...]) -> None:
        """The open `folder`, and each folder below it that can be opened."""
        opened = os.fstat(folder)
        self.directories.add(LocalDirectory(directory, opened.st_dev, opened.st_ino))
        below: list[str] = []
        with os.scandir(folder) as entries:
            for entry in entries:
                if len(self.files) == MAX_SIGHTINGS:
                    return
                path = "/".join((*above, entry.name))
                if entry.is_dir(follow_symlinks=False):
                    if len(above) < MAX_DEPTH and is_storable(path) and not self._ignored.match(entry.name):
                        below.append(entry.name)
                else:
                    self._add(folder, entry.name, path)
        for name in sorted(below):
            try:
                with opened_below(folder, [name]) as descriptor:
                    self.walk(descriptor, directory / name, (*above, name))
            except OSError:
                continue  # gone meanwhile, or not for us: the others are

    def _add(self, folder: int, name: str, path: str) -> None:
        if is_candidate(path, self._ignored):
            if (found := _sighting(folder, name, path)) is not None:
                self.files.append(found)
        elif name.endswith(ERROR) and is_storable(path) and _is_orphaned(folder, name.removesuffix(ERROR)):
            self.orphaned_notes.append(path.removesuffix(ERROR))


def _is_orphaned(folder: int, name: str) -> bool:
    """The file `name`, beside which a note lies, is not there, nor is it being read."""
    return status(folder, name) is None and status(folder, beside(name, LOCK)) is None


def _sighting(folder: int, name: str, path: str) -> Sighting | None:
    """None for what is no file, and for a file that was refused and has not changed since."""
    found = status(folder, name)
    if found is None:
        return None
    note = status(folder, beside(name, ERROR))
    if note is not None and note.st_mtime_ns >= found.st_ctime_ns:
        return None
    changed_at = max(found.st_ctime_ns, found.st_mtime_ns) / 1e9
    return Sighting(path, found.st_size, str(found.st_mtime_ns), changed_at)

"""What lies in a watched directory. Blocking: for threads."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from services.ingest.adapters.inside import opened_below, opened_root, status
from services.ingest.adapters.place import MAX_SIGHTINGS, LocalDirectory, Survey
from services.ingest.domain.ignored_name import IgnoredNames
from services.ingest.domain.watch import ERROR, MAX_DEPTH, Sighting, beside, is_candidate, is_storable


def scan(root: Path, segments: Sequence[str], ignored: IgnoredNames) -> Survey:
    """Of the directory `segments` below `root`. Raises OSError where that itself cannot be read."""
    files: list[Sighting] = []
    directories: set[LocalDirectory] = set()
    with opened_root(root, segments) as folder:
        for found in _walk(folder, root.joinpath(*segments), (), ignored):
            if isinstance(found, LocalDirectory):
                directories.add(found)
            else:
                files.append(found)
            if len(files) == MAX_SIGHTINGS:
                break
    return Survey(files, frozenset(directories))


def _walk(folder: int, directory: Path, above: tuple[str, ...], ignored: IgnoredNames) -> Iterator[LocalDirectory | Sighting]:
    """The open `folder`, its candidates, and the same of each folder below it that can be opened."""
    opened = os.fstat(folder)
    yield LocalDirectory(directory, opened.st_dev, opened.st_ino)
    below = []
    with os.scandir(folder) as entries:
        for entry in entries:
            path = "/".join((*above, entry.name))
            if entry.is_dir(follow_symlinks=False):
                if len(above) < MAX_DEPTH and is_storable(path) and not ignored.match(entry.name):
                    below.append(entry.name)
            elif is_candidate(path, ignored) and (found := _sighting(folder, entry.name, path)) is not None:
                yield found
    for name in sorted(below):
        try:
            with opened_below(folder, [name]) as descriptor:
                yield from _walk(descriptor, directory / name, (*above, name), ignored)
        except OSError:
            continue  # gone meanwhile, or not for us: the others are


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

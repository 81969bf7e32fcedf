"""Files below a folder by relative paths: no link is followed, and nothing leads outside. Blocking: for threads.

Every step is taken from an open folder (openat(2) with O_NOFOLLOW), so that nobody can exchange one for a link meanwhile.
"""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_LINKS: Final = frozenset({errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV})
"""What a file system says that has no hard links, or gives none of this file."""


@contextmanager
def opened_root(root: Path, segments: Sequence[str]) -> Iterator[int]:
    """The descriptor of a folder below `root`; both are made where they are missing. `root` itself may be a link."""
    root.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with opened_below(descriptor, segments, make=True) as folder:
            yield folder
    finally:
        os.close(descriptor)


@contextmanager
def opened_below(folder: int, segments: Sequence[str], *, make: bool = False) -> Iterator[int]:
    """The descriptor of a folder below another one. Raises OSError where it is not there, or a link."""
    descriptor = os.dup(folder)
    try:
        for segment in segments:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(segment, dir_fd=descriptor)
            below = os.open(segment, _FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def status(folder: int, name: str) -> os.stat_result | None:
    """Of a regular file; None where there is none."""
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return found if stat.S_ISREG(found.st_mode) else None


def open_file(folder: int, name: str) -> int:
    """For reading; never waits for the other end of a pipe."""
    return os.open(name, _READ, dir_fd=folder)


def move(folder: int, name: str, target_folder: int, target: str) -> bool:
    """Renames without replacing anything; False where another file has the name already.

    Interrupted, it may leave the file under both names: repeating it ends that.
    """
    try:
        os.link(name, target, src_dir_fd=folder, dst_dir_fd=target_folder, follow_symlinks=False)
    except FileExistsError:
        if not are_one(folder, name, target_folder, target):
            return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.access(target, os.F_OK, dir_fd=target_folder, follow_symlinks=False):
            return False
        os.rename(name, target, src_dir_fd=folder, dst_dir_fd=target_folder)
        return True
    os.unlink(name, dir_fd=folder)
    return True


def write_draft(folder: int, draft: str, content: bytes) -> None:
    """On disk when this returns, which may take a while. Another file that is called `draft` is replaced."""
    try:
        descriptor = os.open(draft, _WRITE, 0o644, dir_fd=folder)
    except FileExistsError:  # of a worker that did not live to place it, or somebody's link
        os.unlink(draft, dir_fd=folder)
        descriptor = os.open(draft, _WRITE, 0o644, dir_fd=folder)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def place_draft(folder: int, draft: str, name: str) -> None:
    """Gives it its name, in which it replaces another file, as if it were written now."""
    os.utime(draft, dir_fd=folder, follow_symlinks=False)
    os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)


def are_one(folder: int, name: str, other_folder: int, other: str) -> bool:
    """Both names are there, and are those of one file."""
    one, two = status(folder, name), status(other_folder, other)
    return one is not None and two is not None and os.path.samestat(one, two)

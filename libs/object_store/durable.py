"""Files and folders that are still there after the machine stopped. Blocking: for worker threads."""

import os
from pathlib import Path


def write_durably(path: Path, content: bytes) -> None:
    """A new file; its name lasts only after `sync_folder`."""
    with path.open("xb", buffering=0) as file:
        file.write(content)
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)

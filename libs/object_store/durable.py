"""Files and folders that are still there after the machine stopped. Blocking: for worker threads.

Everything below `libs.object_store` that forces bytes to the disk does it through `sync_file` or `sync_folder`: a durable write
costs a disk's flush, so they can be counted here.
"""

import os
from pathlib import Path


def sync_file(fd: int) -> None:
    """The file's bytes and its length; its name lasts only after `sync_folder`."""
    os.fdatasync(fd)


def sync_folder(folder: str | Path) -> None:
    """The names in a folder, not what they name."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_everything() -> None:
    """All that was written, whatever it is: for thousands of files at once that nobody waits for."""
    os.sync()

"""Whether a program has a file open for writing, as the kernel knows it. Blocking: for threads.

The kernel gives a read lease only on a file that nobody has open for writing, and lets whoever opens it for writing then wait
until the lease ends. It knows the programs of this machine alone: network file systems answer `EAGAIN` also where nobody
writes. And it gives leases to the owner of the file, or with CAP_LEASE.

Source: F_SETLEASE and F_SETSIG in fcntl(2); /proc/self/fdinfo and /proc/self/mountinfo in proc(5).
"""

import fcntl
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto
from pathlib import Path
from typing import Final

LOCAL_FILE_SYSTEMS: Final = frozenset({
    "bcachefs", "btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "hfsplus", "jfs", "ntfs3", "overlay", "tmpfs", "vfat", "xfs",
    "zfs",
})  # fmt: skip


class Writers(Enum):
    NONE = auto()
    SOME = auto()
    UNKNOWN = auto()


@contextmanager
def hold_off_writers(descriptor: int) -> Iterator[Writers]:
    """Answers who has the file open for writing; while the block runs after NONE, whoever opens it for writing has to wait.

    `descriptor` is open for reading. Renaming and unlinking the file does not end the lease.
    """
    writers = _take_lease(descriptor)
    try:
        yield writers
    finally:
        if writers is Writers.NONE:
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)


def writers_of(descriptor: int) -> Writers:
    with hold_off_writers(descriptor) as writers:
        return writers


def _take_lease(descriptor: int) -> Writers:
    if _file_system(descriptor) not in LOCAL_FILE_SYSTEMS:
        return Writers.UNKNOWN
    try:
        # Whoever has to wait makes the kernel send a signal. The usual one, SIGIO, would end the process; this one is ignored.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return Writers.SOME
    except OSError:  # not its owner, or no leases here
        return Writers.UNKNOWN
    return Writers.NONE


def _file_system(descriptor: int) -> str | None:
    """The type of the file system, as mount(8) calls it; None where the kernel does not say."""
    try:
        opened = Path(f"/proc/self/fdinfo/{descriptor}").read_bytes()
        mounts = Path("/proc/self/mountinfo").read_bytes()
    except OSError:
        return None
    mount = re.search(rb"^mnt_id:\s*(\d+)", opened, re.MULTILINE)
    found = mount and re.search(rb"^%b .*? - (\S+)" % mount[1], mounts, re.MULTILINE)
    return found[1].decode() if found else None

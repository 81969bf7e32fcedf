"""Bytes on their way into the disk store, and their CRC-32C. Blocking, but for what is held in memory: for worker threads."""

import ctypes
import errno
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import google_crc32c

from libs.object_store.digest import BodyDigests
from libs.object_store.durable import sync_file

BUFFER_BYTES = 1024 * 1024
HELD_BYTES = 256 * 1024
"""Objects of up to this size are one file of the disk store: they are written at once, when all of them is there."""
MANY = 32
"""More chunks than this are joined: a system call costs as much as copying some 30 KiB."""
_NOT_IN_KERNEL = frozenset({errno.ENOSYS, errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.EBADF})
"""How a file system says that it does not do `copy_file_range`."""
_own = threading.local()


def thread_buffer() -> bytearray:
    """The calling thread's one reusable buffer."""
    try:
        buffer: bytearray = _own.buffer
    except AttributeError:
        buffer = _own.buffer = bytearray(BUFFER_BYTES)
    return buffer


class Incoming:
    """Bytes are appended with `write` or `write_buffered`; then the store commits it, or `discard` undoes all of it.

    Up to `HELD_BYTES` it is in memory, and nothing is on the disk; what is larger lies in a file.
    """

    NEW = os.O_EXCL

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size_bytes = 0
        self.crc32c = 0
        self.digests: BodyDigests | None = None
        """What else is to be computed of the bytes."""
        self.held = bytearray()
        """All of it, as long as there is no file."""
        self._fd = -1
        self._in_file = False

    @property
    def is_held(self) -> bool:
        return not self._in_file

    def fits(self, count: int) -> bool:
        """Whether so many bytes more would be held in memory."""
        return not self._in_file and self.size_bytes + count <= HELD_BYTES

    def fileno(self) -> int:
        """For bytes that need no counting: `size_bytes` and `crc32c` do not include them."""
        self._begin_file()
        return self._fd

    def write(self, chunk: bytes) -> None:
        self.crc32c = google_crc32c.extend(self.crc32c, chunk)
        self._append(memoryview(chunk))

    def write_all(self, chunks: Sequence[bytes]) -> None:
        """Large chunks as they are; many small ones together."""
        if len(chunks) > MANY:
            chunks = [b"".join(chunks)]
        for chunk in chunks:
            self.write(chunk)

    def write_buffered(self, buffer: bytearray, count: int, start: int = 0) -> None:
        """`count` bytes of `buffer`; large ones are not copied."""
        # The extension takes no memoryview; a ctypes array over the same memory it does.
        self.crc32c = google_crc32c.extend(self.crc32c, (ctypes.c_char * count).from_buffer(buffer, start))
        self._append(memoryview(buffer)[start : start + count])

    def take(self, buffer: bytearray, count: int) -> int:
        """As `socket_body.Taker`: writes all of it."""
        self.write_buffered(buffer, count)
        return 0

    def copy_from(self, path: Path) -> None:
        buffer = thread_buffer()
        with path.open("rb", buffering=0) as source:
            while count := source.readinto(buffer):
                self.write_buffered(buffer, count)

    def finish(self) -> None:
        """All bytes are there: makes them a durable file at `path`. Once is enough."""
        self._begin_file()
        if self._fd >= 0:
            sync_file(self._fd)
            self.close()

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def discard(self) -> None:
        self.close()
        if self._in_file:
            self.path.unlink(missing_ok=True)

    def _append(self, view: memoryview) -> None:
        if self.digests is not None:
            self.digests.update(view)
        if self.fits(len(view)):
            self.held += view
        else:
            self._begin_file()
            write_fully(self._fd, view)
        self.size_bytes += len(view)

    def _begin_file(self) -> None:
        if self._in_file:
            return
        self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | self.NEW, 0o640)
        self._in_file = True
        held, self.held = self.held, bytearray()
        write_fully(self._fd, memoryview(held))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left of what was not committed."""
        self.discard()


def copy_bytes(path: Path, offset: int, size_bytes: int, fd: int) -> None:
    """Appends a piece of a file to `fd`. The kernel copies it, on some file systems without moving a byte."""
    with path.open("rb", buffering=0) as source:
        source.seek(offset)
        left = size_bytes
        try:
            while left and (count := os.copy_file_range(source.fileno(), fd, left)):
                left -= count
        except OSError as error:
            if error.errno not in _NOT_IN_KERNEL:
                raise
        buffer = memoryview(thread_buffer())
        while left and (count := source.readinto(buffer[: min(left, BUFFER_BYTES)])):
            write_fully(fd, buffer[:count])
            left -= count
    if left:
        raise OSError(errno.EIO, "a file is shorter than it was")


def write_fully(fd: int, view: memoryview) -> None:
    while view:
        view = view[os.write(fd, view) :]

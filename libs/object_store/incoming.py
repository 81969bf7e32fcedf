"""One object on its way into the disk store: a temporary file that grows, and its CRC-32C. Blocking: for worker threads."""

import ctypes
import errno
import os
import threading
from pathlib import Path
from typing import Self
from uuid import uuid4

import google_crc32c

from libs.object_store.crc32c import combined

BUFFER_BYTES = 1024 * 1024
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
    """Bytes are appended with `write` or `write_buffered`; then the store commits it, or `discard` undoes all of it."""

    def __init__(self, folder: Path) -> None:
        self.name = uuid4().hex
        self.path = folder / f"{self.name}.data"
        self.size_bytes = 0
        self.crc32c = 0
        self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)

    def write(self, chunk: bytes) -> None:
        self.crc32c = google_crc32c.extend(self.crc32c, chunk)
        _write_all(self._fd, memoryview(chunk))
        self.size_bytes += len(chunk)

    def write_buffered(self, buffer: bytearray, count: int) -> None:
        """The first `count` bytes of `buffer`, uncopied."""
        # The extension takes no memoryview; a ctypes array over the same memory it does.
        self.crc32c = google_crc32c.extend(self.crc32c, (ctypes.c_char * count).from_buffer(buffer))
        _write_all(self._fd, memoryview(buffer)[:count])
        self.size_bytes += count

    def copy_from(self, path: Path) -> None:
        buffer = thread_buffer()
        with path.open("rb", buffering=0) as source:
            while count := source.readinto(buffer):
                self.write_buffered(buffer, count)

    def append_file(self, path: Path, crc32c: int) -> None:
        """A file whose CRC-32C is known. The kernel copies it, on some file systems without moving a byte."""
        with path.open("rb", buffering=0) as source:
            size_bytes = left = os.fstat(source.fileno()).st_size
            try:
                while left and (count := os.copy_file_range(source.fileno(), self._fd, left)):
                    left -= count
            except OSError as error:
                if error.errno not in _NOT_IN_KERNEL:
                    raise
            while left and (count := source.readinto(thread_buffer())):
                _write_all(self._fd, memoryview(thread_buffer())[:count])
                left -= count
        self.crc32c = combined(self.crc32c, crc32c, size_bytes)
        self.size_bytes += size_bytes

    def flush(self) -> None:
        """Makes durable what is there so far."""
        os.fdatasync(self._fd)

    def finish(self) -> None:
        """All bytes are there: makes them durable."""
        self.flush()
        self.close()

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def discard(self) -> None:
        self.close()
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left of what was not committed."""
        self.discard()


def _write_all(fd: int, view: memoryview) -> None:
    while view:
        view = view[os.write(fd, view) :]

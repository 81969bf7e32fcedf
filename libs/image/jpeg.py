"""JPEG files that lack their end marker, which every viewer shows.

Cameras that lose power and programs that stop early leave out the last two bytes, or fill them up with zeros. libjpeg
takes the missing marker for the missing half of a picture, so that the two must be told apart here.
"""

import os
from typing import IO, Final

import pyvips

END: Final = b"\xff\xd9"
_START_OF_SCAN: Final = 0xDA
_PIECE_BYTES: Final = 1 << 20


def has_end(path: str) -> bool:
    """True where an end marker follows the first scan. The one of a thumbnail inside of EXIF does not count."""
    with open(path, "rb") as file:  # noqa: PTH123 - paths stay strings on their way to libvips
        _skip_segments(file)
        last = b""
        while piece := file.read(_PIECE_BYTES):
            if END in last + piece:  # in a scan, 0xFF is followed by 0x00 or by the number of a restart
                return True
            last = piece[-1:]
    return False


def with_end(path: str) -> pyvips.SourceCustom:
    """The file without the zeros at its end, and with an end marker."""
    return _Completed(path).source()


class _Completed:
    def __init__(self, path: str) -> None:
        self._file = open(path, "rb")  # noqa: PTH123, SIM115 - as long as the process lives
        self._length = _length_without_zeros(self._file)
        self._position = 0

    def source(self) -> pyvips.SourceCustom:
        source = pyvips.SourceCustom()
        source.on_read(self._read)
        source.on_seek(self._seek)
        return source

    def _read(self, size: int) -> bytes:
        self._file.seek(self._position)
        chunk = self._file.read(max(0, min(size, self._length - self._position)))
        chunk = chunk or END[self._position - self._length :][:size]
        self._position += len(chunk)
        return chunk

    def _seek(self, offset: int, whence: int) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._length + len(END)}[whence]
        self._position = base + offset
        return self._position


def _skip_segments(file: IO[bytes]) -> None:
    """To the first scan: ITU-T T.81, B.1.1. Stops early where there is none."""
    file.seek(2)
    while len(head := file.read(4)) == 4 and head[0] == 0xFF and head[1] != _START_OF_SCAN:
        is_fill_byte = head[1] == 0xFF
        file.seek(-3 if is_fill_byte else max(0, int.from_bytes(head[2:]) - 2), os.SEEK_CUR)


def _length_without_zeros(file: IO[bytes]) -> int:
    end = file.seek(0, os.SEEK_END)
    while end > 0:
        start = max(0, end - _PIECE_BYTES)
        file.seek(start)
        if kept := file.read(end - start).rstrip(b"\0"):
            return start + len(kept)
        end = start
    return 0

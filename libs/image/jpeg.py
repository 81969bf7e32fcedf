"""JPEG files that lack their end marker, which every viewer shows.

Cameras that lose power and programs that stop early leave out the last two bytes, or fill them up with zeros. libjpeg
takes the missing marker for the missing half of a picture, so that the two must be told apart here.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

import pyvips

END: Final = b"\xff\xd9"
_START_OF_SCAN: Final = 0xDA
_MAX_ZEROS: Final = 4
"""So many at the end may belong to the picture. More of them fill up the file, and would pass for the half that is missing."""
_PIECE_BYTES: Final = 1 << 20


def has_end(path: str) -> bool:
    """True where an end marker follows the first scan. The one of a thumbnail inside of EXIF does not count."""
    with Path(path).open("rb") as file:
        _skip_segments(file)
        last = b""
        while piece := file.read(_PIECE_BYTES):
            if END in last + piece:  # in a scan, 0xFF is followed by 0x00 or by the number of a restart
                return True
            last = piece[-1:]
    return False


def with_end(path: str) -> bytes:
    """The file with an end marker; as a whole: such files are rare, and never large.

    Raises pyvips.Error where more is missing than that: libjpeg warns of it then.
    """
    content = Path(path).read_bytes()
    kept = content.rstrip(b"\0")
    zeros = min(len(content) - len(kept), _MAX_ZEROS)
    for count in range(zeros):
        with suppress(pyvips.Error):
            return _decodable(kept + bytes(count) + END)
    return _decodable(kept + bytes(zeros) + END)


def _decodable(content: bytes) -> bytes:
    pyvips.Image.jpegload_buffer(content, access="sequential", fail_on="warning").avg()
    return content


def _skip_segments(file: IO[bytes]) -> None:
    """To the first scan: ITU-T T.81, B.1.1. Stops early where there is none."""
    file.seek(2)
    while len(head := file.read(4)) == 4 and head[0] == 0xFF and head[1] != _START_OF_SCAN:
        is_fill_byte = head[1] == 0xFF
        file.seek(-3 if is_fill_byte else max(0, int.from_bytes(head[2:]) - 2), os.SEEK_CUR)

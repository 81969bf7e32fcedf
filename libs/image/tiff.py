"""Directories of TIFF: of files, and of the EXIF that other formats carry.

https://www.awaresystems.be/imaging/tiff/specification/TIFF6.pdf, https://www.awaresystems.be/imaging/tiff/bigtiff.html
"""

from pathlib import Path
from typing import IO, Any, Final

from PIL import TiffImagePlugin as Tag
from PIL.TiffImagePlugin import ImageFileDirectory_v2

_BYTE_ORDERS: Final = {b"II": "little", b"MM": "big"}
_BIG: Final = 43
JPEG: Final = (6, 7)
YCBCR, CIELAB = 6, 8


class TiffStructure:
    def __init__(self, file: IO[bytes]) -> None:
        """Raises ValueError where `file` is none, or SyntaxError and others where it is damaged."""
        self._file = file
        file.seek(0)
        head = file.read(16)
        if head[:2] not in _BYTE_ORDERS:
            raise ValueError("neither II nor MM")
        self._prefix = head[:2]
        self._byte_order: Any = _BYTE_ORDERS[head[:2]]
        self._is_big = self._number(head[2:4]) == _BIG
        self.first = self.directory(self._number(head[8:16] if self._is_big else head[4:8]))

    def directory(self, offset: int, group: int | None = None) -> ImageFileDirectory_v2:
        """The one at `offset`; its values are decoded only when they are asked for, which raises almost anything.

        `group` is the tag that leads there, so that its own tags are understood.
        """
        found = ImageFileDirectory_v2(prefix=self._prefix, group=group)
        found._bigtiff = self._is_big  # Pillow looks for it where little-endian files have it
        self._file.seek(offset)
        found.load(self._file)
        return found

    def _number(self, raw: bytes) -> int:
        return int.from_bytes(raw, self._byte_order)


def needs_pillow(path: str) -> bool:
    """True for what libvips refuses (CIELAB of eight bits), or shows in the wrong colours (YCbCr that is not JPEG)."""
    with Path(path).open("rb") as file:
        tags = TiffStructure(file).first
        photometric = tags.get(Tag.PHOTOMETRIC_INTERPRETATION)
        if photometric == YCBCR:
            return tags.get(Tag.COMPRESSION) not in JPEG
        return photometric == CIELAB and set(tags.get(Tag.BITSPERSAMPLE, ())) == {8}

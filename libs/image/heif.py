"""What decoders of HEIF and AVIF do not tell: how they have turned the picture, and what of it is missing.

ISO/IEC 23008-12, 6.5.10 (`irot`) and 6.5.12 (`imir`); ISO/IEC 14496-12, 8.11 (`meta` and what is in it).
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from libs.image.error import DamagedImageError

_MAX_META_BYTES: Final = 16 << 20
"""Of 48 megapixels in tiles of 512 some 20 KiB; the EXIF lies elsewhere."""
_NEEDED: Final = (b"meta", b"mdat")
"""Telephones write behind them what is no box at all."""
_ROTATIONS: Final = (1, 8, 3, 6)
"""EXIF orientation, by quarter turns against the clock."""
_MIRRORED: Final = {(0, 0): 4, (1, 0): 5, (2, 0): 2, (3, 0): 7, (0, 1): 2, (1, 1): 7, (2, 1): 4, (3, 1): 5}
"""The same by quarter turns and by what follows them: 0 turns upside down, 1 swaps left and right."""


@dataclass(frozen=True)
class _Box:
    kind: bytes
    offset: int
    """Of its content in the file."""
    size: int
    """Of its content."""


def orientation(path: str) -> int | None:
    """As EXIF numbers it: what the decoder does to the stored pixels of the primary image. None: nothing, or it is damaged."""
    with Path(path).open("rb") as file:
        for box in _boxes_of(file):
            if box.kind == b"meta":
                file.seek(box.offset)
                return _orientation(file.read(min(box.size, _MAX_META_BYTES))[4:])
    return None


def check_whole(path: str) -> None:
    """Raises DamagedImageError where the file was cut off: libheif shows what tiles there are, and leaves out the others."""
    with Path(path).open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        if any(box.kind in _NEEDED and box.offset + box.size > end for box in _boxes_of(file)):
            raise DamagedImageError("The file was cut off.")


def _boxes_of(file: IO[bytes]) -> Iterator[_Box]:
    """The outermost ones, but for a last one that is as long as the file."""
    at = 0
    while True:
        file.seek(at)
        head = file.read(16)
        size, head_bytes = int.from_bytes(head[:4]), 8
        if size == 1:
            size, head_bytes = int.from_bytes(head[8:16]), 16
        if len(head) < head_bytes or size < head_bytes:
            return
        yield _Box(head[4:8], at + head_bytes, size - head_bytes)
        at += size


def _orientation(meta: bytes) -> int | None:
    try:
        boxes = dict(_boxes(meta))
        primary = int.from_bytes(boxes[b"pitm"][4 : 8 if boxes[b"pitm"][0] else 6])
        properties = dict(_boxes(boxes[b"iprp"]))
        stored = list(_boxes(properties[b"ipco"]))
        used = dict(stored[index - 1] for index in _associated(properties[b"ipma"], primary) if index)
    except (KeyError, IndexError):
        return None
    turns = used[b"irot"][0] & 3 if used.get(b"irot") else 0
    if used.get(b"imir"):
        return _MIRRORED[turns, used[b"imir"][0] & 1]
    return _ROTATIONS[turns] if b"irot" in used else None


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while (size := int.from_bytes(content[at : at + 4])) >= 8:
        yield content[at + 4 : at + 8], content[at + 8 : at + size]
        at += size


def _associated(ipma: bytes, item: int) -> list[int]:
    """The numbers from 1 of the properties of `item`, in their order."""
    id_bytes, index_bytes = (4 if ipma[0] else 2), (2 if ipma[3] & 1 else 1)
    at, count = 8, int.from_bytes(ipma[4:8])
    for _ in range(count):
        found, number = int.from_bytes(ipma[at : at + id_bytes]), ipma[at + id_bytes]
        at += id_bytes + 1
        indexes = ipma[at : at + number * index_bytes]
        if found == item:
            mask = (1 << (8 * index_bytes - 1)) - 1  # the first bit: essential
            return [int.from_bytes(indexes[n : n + index_bytes]) & mask for n in range(0, len(indexes), index_bytes)]
        at += number * index_bytes
    return []

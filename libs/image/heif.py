"""How HEIF and AVIF turn their picture: decoders answer with the upright one, and do not tell.

ISO/IEC 23008-12, 6.5.10 (`irot`) and 6.5.12 (`imir`); ISO/IEC 14496-12, 8.11 (`meta` and what is in it).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

_MAX_META_BYTES: Final = 16 << 20
"""Of 48 megapixels in tiles of 512 some 20 KiB; the EXIF lies elsewhere."""
_ROTATIONS: Final = (1, 8, 3, 6)
"""EXIF orientation, by quarter turns against the clock."""
_MIRRORED: Final = {(0, 0): 4, (1, 0): 5, (2, 0): 2, (3, 0): 7, (0, 1): 2, (1, 1): 7, (2, 1): 4, (3, 1): 5}
"""The same by quarter turns and by what follows them: 0 turns upside down, 1 swaps left and right."""


def orientation(path: str) -> int | None:
    """As EXIF numbers it: what the decoder does to the stored pixels of the primary image. None: nothing, or it is damaged."""
    with Path(path).open("rb") as file:
        while len(head := file.read(8)) == 8:
            size = int.from_bytes(head[:4])
            if head[4:] == b"meta":
                return _orientation(file.read(min(size - 8, _MAX_META_BYTES))[4:])
            if size < 8:  # up to the end of the file, or in 64 bits: no box before `meta` is that long
                return None
            file.seek(size - 8, 1)
    return None


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

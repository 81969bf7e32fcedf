"""The chunks of PNG files: https://www.w3.org/TR/png-3/#5DataRep."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from libs.image.error import DamagedImageError

_SIGNATURE_BYTES: Final = 8
_PICTURE: Final = (b"IHDR", b"PLTE", b"IDAT")
_PIECE_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class Chunk:
    name: bytes
    offset: int
    """Of its data in the file."""
    length: int


def chunks(file: IO[bytes]) -> Iterator[Chunk]:
    """Up to the end of the picture, or to where the file was cut off."""
    at = _SIGNATURE_BYTES
    while True:
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            return
        chunk = Chunk(head[4:], at + 8, int.from_bytes(head[:4]))
        yield chunk
        if chunk.name == b"IEND":
            return
        at = chunk.offset + chunk.length + 4


def check_picture(path: str) -> None:
    """Raises DamagedImageError where a chunk that the picture consists of does not match its checksum.

    What stands beside the picture (comments, times, profiles) may have any checksum: viewers show such files.
    """
    with Path(path).open("rb") as file:
        for chunk in chunks(file):
            if chunk.name in _PICTURE and not _matches(file, chunk):
                raise DamagedImageError(f"The chunk {chunk.name!r} does not match its checksum.")


def _matches(file: IO[bytes], chunk: Chunk) -> bool:
    """True for a chunk that was cut off, too: the decoder says so."""
    checksum, left = zlib.crc32(chunk.name), chunk.length
    file.seek(chunk.offset)
    while left and (piece := file.read(min(left, _PIECE_BYTES))):
        checksum, left = zlib.crc32(piece, checksum), left - len(piece)
    stored = file.read(4)
    return len(stored) < 4 or int.from_bytes(stored) == checksum

"""Whether the end of a media file is missing, as far as the outermost structure of its container shows it."""

from pathlib import Path
from typing import BinaryIO, Final

_SYNC: Final = b"\x47"
_SEGMENT: Final = b"\x18\x53\x80\x67"
_RIFF_LEFT_OPEN: Final = 0xFFFFFFFF


def is_cut_off(path: Path, demuxer: str) -> bool | None:
    """True where the container ends behind the end of the file, or inside one of its packets; None where it does not tell.

    A broadcast may stop between any two packets: it is whole.
    """
    check = {"matroska": _matroska, "avi": _riff, "mpegts": _transport_stream}.get(demuxer)
    if check is None:
        return None
    with path.open("rb") as file:
        return check(file, path.stat().st_size)


def _matroska(file: BinaryIO, size: int) -> bool | None:
    """The size of the segment, which holds everything but a short header; None where a live stream left it open.

    RFC 8794 (EBML) and RFC 9559 (Matroska).
    """
    file.seek(4)
    header_size = _ebml_size(file)
    if header_size is None or not _skip(file, header_size, size) or file.read(4) != _SEGMENT:
        return None
    segment_size = _ebml_size(file)
    return None if segment_size is None else file.tell() + segment_size > size


def _ebml_size(file: BinaryIO) -> int | None:
    """A variable-size integer, the number of whose bytes is that of its leading zero bits; all ones: unknown."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    length = 9 - first[0].bit_length()
    value = int.from_bytes(first + file.read(length - 1)) & ((1 << 7 * length) - 1)
    return None if value == (1 << 7 * length) - 1 else value


def _skip(file: BinaryIO, count: int, size: int) -> bool:
    return file.seek(count, 1) <= size


def _riff(file: BinaryIO, size: int) -> bool:
    """The size of the first RIFF chunk; long files have several. Some programs count its own header of 8 bytes, too."""
    declared = int.from_bytes(file.read(8)[4:], "little")
    return size < declared < _RIFF_LEFT_OPEN


def _transport_stream(file: BinaryIO, size: int) -> bool:
    """An incomplete last packet. Each has 188 bytes (ISO/IEC 13818-1), on Blu-ray 4 before it, in some recordings 16 behind."""
    head = file.read(4 + 2 * 208)
    for start, length in ((0, 188), (4, 192), (0, 204)):
        if head[start : start + 1] == _SYNC == head[start + length : start + length + 1]:
            torn = size % length
            file.seek(size - torn + start)
            return 0 < torn <= start or (torn > start and file.read(1) == _SYNC)
    return False

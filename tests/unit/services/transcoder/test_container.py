"""What the outermost structure of a container tells about its end."""

from pathlib import Path

import pytest

from services.transcoder.adapters.container import is_cut_off

EBML = b"\x1a\x45\xdf\xa3\x84\x42\x86\x81\x01"
SEGMENT = b"\x18\x53\x80\x67"
PACKET = b"\x47" + bytes(187)
BLU_RAY = bytes(4) + PACKET
CHECKED = PACKET + bytes(16)


@pytest.mark.parametrize(
    ("demuxer", "content", "expected"),
    [
        ("matroska", EBML + SEGMENT + b"\x85" + bytes(5), False),
        ("matroska", EBML + SEGMENT + b"\x85" + bytes(4), True),
        ("matroska", EBML + SEGMENT + b"\x40\x05" + bytes(9), False),
        ("matroska", EBML + SEGMENT + b"\x01" + bytes(5) + b"\x01\x00" + bytes(9), True),
        ("matroska", EBML + SEGMENT + b"\xff" + bytes(5), None),
        ("matroska", EBML + SEGMENT + b"\x01" + b"\xff" * 7 + bytes(5), None),
        ("matroska", EBML + b"\xec\x85" + bytes(5), None),
        ("matroska", EBML[:5], None),
        ("matroska", b"", None),
        ("avi", b"RIFF\x0c\0\0\0AVI " + bytes(8), False),
        ("avi", b"RIFF\xff\0\0\0AVI " + bytes(8), True),
        ("avi", b"RIFF\xff\xff\xff\xffAVI " + bytes(8), False),
        ("mpegts", PACKET * 7, False),
        ("mpegts", PACKET * 7 + PACKET[:1], True),
        ("mpegts", PACKET * 7 + bytes(100), False),
        ("mpegts", BLU_RAY * 7, False),
        ("mpegts", BLU_RAY * 7 + BLU_RAY[:3], True),
        ("mpegts", BLU_RAY * 7 + BLU_RAY[:99], True),
        ("mpegts", CHECKED * 7, False),
        ("mpegts", CHECKED * 7 + CHECKED[:99], True),
        ("mov", b"anything", None),
    ],
)
def test_a_container_tells_where_it_ends(tmp_path: Path, demuxer: str, content: bytes, expected: bool | None) -> None:
    path = tmp_path / "in.bin"
    path.write_bytes(content)

    assert is_cut_off(path, demuxer) is expected

"""What lies before the sound in many audio files: ID3v2 tags, which hold title and cover, and zeros that recorders leave.

https://id3.org/id3v2.4.0-structure
"""

import re
from typing import Final

_ZEROS: Final = re.compile(rb"\0*")
_HEADER_BYTES: Final = 10
_HAS_FOOTER: Final = 0x10


def skip_tags(head: bytes) -> int:
    """Where that ends with which `head` begins, 0 where it begins with neither; a tag may reach beyond `head`."""
    at = _skip_zeros(head, 0)
    while tag_bytes := _tag_bytes(head[at : at + _HEADER_BYTES]):
        at = _skip_zeros(head, at + tag_bytes)
    return at


def _skip_zeros(head: bytes, start: int) -> int:
    zeros = _ZEROS.match(head, start)
    return max(start, zeros.end() if zeros else 0)


def _tag_bytes(header: bytes) -> int:
    """The length of the ID3v2 tag that begins so, 0 where none does. Each byte of its size holds seven bits."""
    size = header[6:]
    if header[:3] != b"ID3" or len(size) < 4 or max(size) > 0x7F:
        return 0
    footer = _HEADER_BYTES if header[5] & _HAS_FOOTER else 0
    return _HEADER_BYTES + sum(byte << shift for byte, shift in zip(size, (21, 14, 7, 0), strict=True)) + footer

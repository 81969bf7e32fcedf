"""TIFF with numbers of any kind, in either byte order, small or big (BigTIFF). One strip, not compressed."""

import struct
from collections.abc import Sequence

_SHORT, _LONG = ("H", 3), ("I", 4)
_SAMPLE_FORMATS = {"f": 3, "e": 3, "b": 2, "h": 2, "i": 2}


def tiff(
    values: Sequence[float],
    size: tuple[int, int],
    *,
    kind: str = "H",
    order: str = "<",
    big: bool = False,
    photometric: int | None = None,
    extra_samples: Sequence[int] = (),
    tags: dict[int, Sequence[int]] | None = None,
) -> bytes:
    """`kind` and `order` are letters of `struct`; `values` all bands of a pixel together; `tags` further ones, as shorts."""
    bands = len(values) // (size[0] * size[1])
    pixels = struct.pack(f"{order}{len(values)}{kind}", *values)
    chosen = photometric if photometric is not None else 1 + (bands >= 3)
    entries = {
        256: (_LONG, [size[0]]), 257: (_LONG, [size[1]]), 258: (_SHORT, [8 * struct.calcsize(kind)] * bands),
        259: (_SHORT, [1]), 262: (_SHORT, [chosen]), 273: (_LONG, [0]), 277: (_SHORT, [bands]), 278: (_LONG, [size[1]]),
        279: (_LONG, [len(pixels)]), 339: (_SHORT, [_SAMPLE_FORMATS.get(kind, 1)] * bands),
        **({338: (_SHORT, extra_samples)} if extra_samples else {}),
        **{tag: (_SHORT, own) for tag, own in (tags or {}).items()},
    }  # fmt: skip
    word = "Q" if big else "I"
    at = 16 if big else 8
    head = (b"II" if order == "<" else b"MM") + struct.pack(
        *((f"{order}HHHQ", 43, 8, 0, at) if big else (f"{order}HI", 42, at))
    )
    room = struct.calcsize(f"={word}")
    end = at + (8 if big else 2) + len(entries) * (4 + 2 * room) + room
    packed = {tag: struct.pack(f"{order}{len(own)}{letter}", *own) for tag, ((letter, _), own) in entries.items()}
    outside = sum(len(raw) for raw in packed.values() if len(raw) > room)
    packed[273] = struct.pack(f"{order}I", end + outside)
    directory, values_outside = struct.pack(f"{order}{'Q' if big else 'H'}", len(entries)), b""
    for tag in sorted(entries):
        (_, kind_of_value), own = entries[tag]
        raw = packed[tag]
        if len(raw) > room:
            raw, values_outside = struct.pack(f"{order}{word}", end + len(values_outside)), values_outside + raw
        directory += struct.pack(f"{order}HH{word}", tag, kind_of_value, len(own)) + raw.ljust(room, b"\0")
    return head + directory + bytes(room) + values_outside + pixels

"""HEIC as telephones write it: HEVC tiles that a grid puts together, a turn in the file's own words, EXIF as an item.

ISO/IEC 23008-12 and 14496-12. The pixels are encoded by x265 through PyAV.
"""

import io
from collections.abc import Sequence
from fractions import Fraction
from itertools import count

import av
from PIL import Image

_QUARTER_TURNS = {8: 1, 3: 2, 6: 3}
"""Against the clock, by EXIF orientation."""
_EXIF_HEADER = b"Exif\0\0"


def heic(
    picture: Image.Image,
    *,
    tile: int = 0,
    orientation: int = 1,
    exif: bytes = b"",
    brand: bytes = b"heic",
    pixels: str = "yuv444p",
) -> bytes:
    """`tile`: the edge of square tiles, else it is one image. `orientation`: 1, 3, 6 or 8; `exif` without its first six bytes.

    Edges are multiples of 32, as x265 wants them.
    """
    tile_size = (tile, tile) if tile else picture.size
    columns, rows = picture.width // tile_size[0], picture.height // tile_size[1]
    boxes = [(x * tile_size[0], y * tile_size[1]) for y in range(rows) for x in range(columns)]
    config, images = _encoded([picture.crop((x, y, x + tile_size[0], y + tile_size[1])) for x, y in boxes], pixels)
    properties = [_box(b"hvcC", config), _ispe(tile_size), _box(b"colr", b"nclx", _numbers(2, 1, 13, 5), b"\x80")]
    items = [(b"hvc1", image, [1, 2, 3]) for image in images]
    if tile:
        properties.append(_ispe(picture.size))
        items.append((b"grid", bytes([0, 0, rows - 1, columns - 1]) + _numbers(2, *picture.size), [3, 4]))
    primary = len(items)
    if orientation != 1:
        properties.append(_box(b"irot", bytes([_QUARTER_TURNS[orientation]])))
        items[-1][2].append(len(properties))
    if exif:
        items.append((b"Exif", _numbers(4, len(_EXIF_HEADER)) + _EXIF_HEADER + exif, []))
    return _file(brand, items, properties, primary, tiles=len(images) if tile else 0)


def _file(
    brand: bytes, items: Sequence[tuple[bytes, bytes, list[int]]], properties: Sequence[bytes], primary: int, *, tiles: int
) -> bytes:
    head = _box(b"ftyp", brand, bytes(4), b"mif1heic")
    references = [_box(b"dimg", _numbers(2, primary, tiles, *range(1, tiles + 1)))] if tiles else []
    if len(items) > primary:
        references.append(_box(b"cdsc", _numbers(2, len(items), 1, primary)))
    size = len(head) + len(_meta(items, properties, primary, references, 0))
    content = (data for _, (_, data, _) in _placed(items))
    return head + _meta(items, properties, primary, references, size + 8) + _box(b"mdat", *content)


def _placed(items: Sequence[tuple[bytes, bytes, list[int]]]) -> list[tuple[int, tuple[bytes, bytes, list[int]]]]:
    """Each with its number, in the order of their data: what is short comes before the pixels."""
    return sorted(zip(count(1), items, strict=False), key=lambda numbered: numbered[1][0] == b"hvc1")


def _meta(
    items: Sequence[tuple[bytes, bytes, list[int]]], properties: Sequence[bytes], primary: int, references: list[bytes], at: int
) -> bytes:
    """`at`: where the data of the first item lies in the file."""
    numbered = list(zip(count(1), items, strict=False))
    locations = []
    for number, (_, data, _) in _placed(items):
        locations.append(_numbers(2, number, 0, 1) + _numbers(4, at, len(data)))
        at += len(data)
    entries = [
        _full_box(b"infe", 2, _numbers(2, number, 0), kind, b"\0", flags=int(number < primary))
        for number, (kind, _, _) in numbered
    ]
    used = [_numbers(2, number) + bytes([len(own), *own]) for number, (_, _, own) in numbered if own]
    return _full_box(
        b"meta", 0,
        _full_box(b"hdlr", 0, bytes(4), b"pict", bytes(13)),
        _full_box(b"pitm", 0, _numbers(2, primary)),
        _full_box(b"iinf", 0, _numbers(2, len(entries)), *entries),
        *([_full_box(b"iref", 0, *references)] if references else []),
        _box(b"iprp", _box(b"ipco", *properties), _full_box(b"ipma", 0, _numbers(4, len(used)), *used)),
        _full_box(b"iloc", 0, b"\x44\x00", _numbers(2, len(locations)), *locations),
    )  # fmt: skip


def _encoded(pictures: Sequence[Image.Image], pixels: str) -> tuple[bytes, list[bytes]]:
    """The decoder's configuration and each picture, all of one size, as a key frame with lengths before its units."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx265", rate=Fraction(1), options={"x265-params": "log-level=none:keyint=1:crf=4"})
        stream.width, stream.height = pictures[0].size
        stream.pix_fmt = pixels
        for picture in pictures:
            frame = av.VideoFrame.from_bytes(picture.convert("RGBA").tobytes(), *picture.size, format="rgba")
            frame = frame.reformat(format=pixels, dst_colorspace="ITU601", dst_color_range="JPEG")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    file.seek(0)
    with av.open(file, "r") as container:
        stream = container.streams.video[0]
        config = bytes(stream.codec_context.extradata or b"")
        return config, [bytes(packet) for packet in container.demux(stream) if packet.size]


def _ispe(size: tuple[int, int]) -> bytes:
    return _full_box(b"ispe", 0, _numbers(4, *size))


def _numbers(width: int, *values: int) -> bytes:
    return b"".join(value.to_bytes(width) for value in values)


def _box(kind: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return _numbers(4, 8 + len(body)) + kind + body


def _full_box(kind: bytes, version: int, *content: bytes, flags: int = 0) -> bytes:
    return _box(kind, bytes([version]) + flags.to_bytes(3), *content)

"""What is told of an image, whether or not it can be decoded. Hostile EXIF is ignored, and the image none the worse. # U-23"""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
import pyvips
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from services.transcoder.adapters.image_child import make_thumbnail
from services.transcoder.adapters.image_facts import read_facts
from tests.image_files.heic import heic
from tests.image_files.tiff import tiff

# As in the child itself: Pillow warns of much that is wrong with a file.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

pyvips.cache_set_max(0)  # in the child, no path ever holds another file

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")
SYDNEY = {1: "S", 2: (33.0, 51.0, 21.96), 3: "E", 4: (151.0, 12.0, 33.48)}
RATIONAL, LONG, ASCII = 5, 4, 2


def exif(*, taken: Any = None, gps: dict[int, Any] | None = None, orientation: Any = None) -> bytes:
    made = Image.Exif()
    made[ExifTags.Base.Make] = "a camera"
    if orientation is not None:
        made[ExifTags.Base.Orientation] = orientation
    if taken is not None:
        made.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = taken
    if gps is not None:
        made.get_ifd(ExifTags.IFD.GPSInfo).update(gps)
    return made.tobytes()


def image(image_format: str = "JPEG", mode: str = "RGB", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new(mode, (40, 20)).save(file, image_format, **options)
    return file.getvalue()


def inspected(content: bytes, folder: Path, image_format: str = "JPEG", *, edge: int = 0) -> dict[str, Any]:
    path = folder / "in.bin"
    path.write_bytes(content)
    told = read_facts(str(path), image_format.lower())
    if edge:
        told["thumbnail"] = make_thumbnail(str(path), image_format.lower(), 40_000_000, edge, str(folder))
    return told


@pytest.mark.parametrize("image_format", FORMATS)
def test_place_and_time_are_told(tmp_path: Path, image_format: str) -> None:
    content = image(image_format, exif=exif(taken="2018:09:13 16:23:40", gps=SYDNEY, orientation=3))

    told = inspected(content, tmp_path, image_format)

    assert told["datetime_original"] == "2018-09-13T16:23:40"
    assert told["geo_location"] == {"latitude": -33.8561, "longitude": 151.2093}
    assert (told["orientation"], told["width"], told["height"]) == (3, 40, 20)


@pytest.mark.parametrize(
    ("gps", "place"),
    [
        ({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0)}, (52.52, 13.405)),
        ({1: "S", 2: (22.0, 54.5, 0.0), 3: "W", 4: (43.0, 12.25, 0.0)}, (-22.9083333, -43.2041667)),
        ({1: "n", 2: (90.0, 0.0, 0.0), 3: "w", 4: (180.0, 0.0, 0.0)}, (90, -180)),
        ({1: "N", 2: (0.0, 0.0, 0.0), 3: "E", 4: (0.0, 0.0, 0.0)}, (0, 0)),
    ],
    ids=["north east", "south west", "edges", "zero"],
)
def test_places_are_degrees_north_and_east(tmp_path: Path, gps: dict[int, Any], place: tuple[float, float]) -> None:
    told = inspected(image(exif=exif(gps=gps)), tmp_path)["geo_location"]

    assert (told["latitude"], told["longitude"]) == place


@pytest.mark.parametrize(
    "wrong",
    [
        {1: "X"}, {1: ""}, {1: "NS"}, {1: b"\xff"}, {1: None}, {3: None}, {2: None}, {4: None}, {2: (91.0, 0.0, 0.0)},
        {2: (90.0, 0.0, 0.1)}, {4: (180.0, 1.0, 0.0)}, {4: (4e9, 0.0, 0.0)}, {2: (1.0, 61.0, 0.0)}, {2: (1.0, 0.0, 4e9)},
        {2: (1.0, 2.0)}, {2: (1.0, 2.0, 3.0, 4.0)}, {2: 1.0}, {1: 7},
    ],
    ids=repr,
)  # fmt: skip
def test_a_place_that_is_none_is_ignored(tmp_path: Path, wrong: dict[int, Any]) -> None:
    gps = {key: value for key, value in (SYDNEY | wrong).items() if value is not None}

    told = inspected(image(exif=exif(gps=gps, taken="2018:09:13 16:23:40")), tmp_path)

    assert told["geo_location"] is None
    assert told["datetime_original"] == "2018-09-13T16:23:40"


@pytest.mark.parametrize("numerator", [0, 1, 0xFFFFFFFF])
def test_a_division_by_zero_is_no_place(tmp_path: Path, numerator: int) -> None:
    content = image(exif=exif(gps=SYDNEY))
    third = struct.pack(">II", 33, 1)
    assert content.count(third) == 1

    told = inspected(content.replace(third, struct.pack(">II", numerator, 0)), tmp_path)

    assert told["geo_location"] is None


@pytest.mark.parametrize(
    "taken",
    ["0000:00:00 00:00:00", "    :  :     :  :  ", "2018:13:45 99:99:99", "2018-09-13T16:23:40Z", "yesterday", "", "9" * 5000,
     "2018:09:13", 20180913, b"\xff\xfe"],
    ids=lambda taken: str(taken)[:20] or "empty",
)  # fmt: skip
def test_a_time_that_is_none_is_ignored(tmp_path: Path, taken: object) -> None:
    told = inspected(image(exif=exif(taken=taken, gps=SYDNEY)), tmp_path)

    assert told["datetime_original"] is None
    assert told["geo_location"]["longitude"] == 151.2093


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_is_none_is_ignored(tmp_path: Path, orientation: object) -> None:
    assert inspected(image(exif=exif(orientation=orientation)), tmp_path)["orientation"] is None


@pytest.mark.parametrize("image_format", FORMATS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_sizes_are_those_of_the_stored_pixels_and_thumbnails_are_upright(
    tmp_path: Path, image_format: str, orientation: int
) -> None:
    told = inspected(image(image_format, exif=exif(orientation=orientation)), tmp_path, image_format, edge=10)

    # AVIF keeps a rotation of its own; one that turns nothing is not told
    assert told["orientation"] == (None if (image_format, orientation) == ("AVIF", 1) else orientation)
    assert (told["width"], told["height"]) == (40, 20)
    thumbnail = told["thumbnail"]
    assert (thumbnail["width"], thumbnail["height"]) == ((5, 10) if orientation >= 5 else (10, 5))


def forged(entries: list[tuple[int, int, int, int]], size: int = 60_000) -> bytes:
    """EXIF whose first directory holds `entries` (tag, type, count, value or offset) and refers to itself for the others."""
    head = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(entries))
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries) + struct.pack("<I", 8)
    return (b"Exif\0\0" + head + body).ljust(size, b"\1")


HOSTILE = {
    "nothing": b"",
    "noise": b"Exif\0\0" + bytes(range(256)) * 8,
    "cut off": exif(gps=SYDNEY, taken="2018:09:13 16:23:40")[:40],
    "directories outside": forged([(0x8769, LONG, 1, 0xFFFFFFF0), (0x8825, LONG, 1, 0x7FFFFFFF)]),
    "words for numbers": forged([(0x112, ASCII, 2, 0x36), (0x8769, ASCII, 2, 0x36), (0x8825, ASCII, 60_000, 8)]),
    "a directory that is itself": forged([(0x8769, LONG, 1, 8), (0x8825, LONG, 1, 8), (0x9003, ASCII, 4000, 8)]),
    "a million values": forged([(0x9003, ASCII, 0xFFFFFFFF, 8), (2, RATIONAL, 1_000_000, 8), (0x8825, LONG, 1, 8)]),
    "every entry claims everything": forged(
        [(0x8769, LONG, 1, 8), (0x8825, LONG, 1, 8)] + [(1000 + n, RATIONAL, 7000, 8) for n in range(4500)]
    ),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_hostile_exif_is_ignored(tmp_path: Path, name: str, image_format: str) -> None:
    content = hostile_tiff(HOSTILE[name]) if image_format == "TIFF" else image(image_format, exif=HOSTILE[name])

    told = inspected(content, tmp_path, image_format, edge=16)

    assert (told["format"], told["width"], told["height"], told["color_mode"]) == (image_format, 40, 20, "RGB")
    assert (told["orientation"], told["datetime_original"], told["geo_location"]) == (None, None, None)
    assert told["thumbnail"]["width"] == 16


def hostile_tiff(made: bytes) -> bytes:
    """A picture whose EXIF and GPS directories are the one that `made` begins with."""
    content = image("TIFF", exif=exif(taken="2018:09:13 16:23:40", gps=SYDNEY))
    place = struct.pack("<I", len(content) + len(content) % 2)
    for tag in (0x8769, 0x8825):
        entry = struct.pack("<HHI", tag, LONG, 1)
        at = content.index(entry) + len(entry)
        content = content[:at] + place + content[at + 4 :]
    return content + b"\0" * (len(content) % 2) + made[14:]


def test_exif_beyond_what_a_camera_writes_is_ignored(tmp_path: Path) -> None:
    huge = exif(gps=SYDNEY).ljust(20 << 20, b"\0")

    told = inspected(image("PNG", exif=huge), tmp_path, "PNG")

    assert told["geo_location"] is None
    assert told["width"] == 40


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), image_format=st.sampled_from(("JPEG", "WEBP", "TIFF")))
def test_damaged_exif_never_damages_the_image(tmp_path: Path, data: st.DataObject, image_format: str) -> None:
    good = exif(taken="2018:09:13 16:23:40", gps=SYDNEY, orientation=6)
    content = bytearray(image(image_format, exif=good))
    marks = [content.index(mark) for mark in (b"a camera", b"2018:09:13")]
    start, end = min(marks), max(marks) + 20
    for at in data.draw(st.lists(st.integers(start, end), min_size=1, max_size=20)):
        content[at] = data.draw(st.integers(0, 255))

    told = inspected(bytes(content), tmp_path, image_format, edge=16)

    assert (told["width"], told["height"], told["color_mode"]) == (40, 20, "RGB")


def png(bit_depth: int, color_type: int, pixel_bytes: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 8, 8, bit_depth, color_type, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes(pixel_bytes * 8)) * 8)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def animated(image_format: str) -> bytes:
    file = io.BytesIO()
    first, *others = [Image.new("RGB", (40, 20), color) for color in ("red", "green", "blue")]
    first.save(file, image_format, save_all=True, append_images=others, duration=100)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "image_format", "mode"),
    [
        (image("JPEG", "CMYK"), "JPEG", "CMYK"),
        (image("JPEG", "L"), "JPEG", "L"),
        (image("PNG", "P"), "PNG", "P"),
        (image("PNG", "LA"), "PNG", "LA"),
        (image("PNG", "RGBA"), "PNG", "RGBA"),
        (image("PNG", "1"), "PNG", "L"),
        (image("PNG", "I;16"), "PNG", "L"),
        (png(16, 2, 6), "PNG", "RGB"),
        (png(16, 6, 8), "PNG", "RGBA"),
        (image("GIF", "P"), "GIF", "P"),
        (image("TIFF", "LAB"), "TIFF", "LAB"),
        (image("TIFF", "F"), "TIFF", "L"),
        (image("WEBP", "RGBA"), "WEBP", "RGBA"),
    ],
)
def test_color_modes_are_of_the_published_list(tmp_path: Path, content: bytes, image_format: str, mode: str) -> None:
    told = inspected(content, tmp_path, image_format, edge=16)

    assert told["color_mode"] == mode
    assert told["format"] == image_format


@pytest.mark.parametrize("image_format", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_more_than_one_frame_is_a_sequence(tmp_path: Path, image_format: str) -> None:
    assert inspected(animated(image_format), tmp_path, image_format, edge=16)["sequence"] is True
    assert inspected(image(image_format), tmp_path, image_format, edge=16)["sequence"] is False


@pytest.mark.parametrize(("image_format", "dpi"), [("JPEG", 300), ("PNG", 300), ("TIFF", 300), ("BMP", 300)])
def test_resolution_is_told_in_dots_per_inch(tmp_path: Path, image_format: str, dpi: int) -> None:
    x, y = inspected(image(image_format, dpi=(dpi, dpi * 2)), tmp_path, image_format)["dpi"]

    assert (round(x), round(y)) == (dpi, dpi * 2)
    assert inspected(image("PNG"), tmp_path, "PNG")["dpi"] is None


# ---------------------------------------------------------------- formats of their own


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_heic_tells_what_jpeg_tells(tmp_path: Path, orientation: int) -> None:
    """Its own words about how it is turned count, not those of its EXIF."""
    words = exif(taken="2018:09:13 16:23:40", gps=SYDNEY, orientation=6).removeprefix(b"Exif\0\0")
    content = heic(Image.new("RGB", (128, 64)), tile=64, orientation=orientation, exif=words)

    told = inspected(content, tmp_path, "HEIC", edge=32)

    size = (16, 32) if orientation in (6, 8) else (32, 16)
    assert (told["thumbnail"]["width"], told["thumbnail"]["height"]) == size
    assert (told["format"], told["width"], told["height"], told["color_mode"]) == ("HEIF", 128, 64, "RGB")
    assert told["orientation"] == (None if orientation == 1 else orientation)
    assert told["datetime_original"] == "2018-09-13T16:23:40"
    assert told["geo_location"] == {"latitude": -33.8561, "longitude": 151.2093}
    assert told["sequence"] is False


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_exif_of_a_heic_is_ignored(tmp_path: Path, name: str) -> None:
    told = inspected(heic(Image.new("RGB", (64, 64)), exif=HOSTILE[name].removeprefix(b"Exif\0\0")), tmp_path, "HEIC", edge=16)

    assert (told["width"], told["datetime_original"], told["geo_location"]) == (64, None, None)


def test_svg_is_as_large_as_it_says(tmp_path: Path) -> None:
    content = b"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 12'><rect width='9' height='9'/></svg>"

    told = inspected(content, tmp_path, "SVG", edge=512)

    assert (told["format"], told["width"], told["height"], told["color_mode"]) == ("SVG", 24, 12, "RGBA")
    assert told["thumbnail"] == {"name": "thumbnail.png", "width": 24, "height": 12}


@pytest.mark.parametrize("mark", [b"IDAT", b"IEND"], ids=["before the picture", "behind it"])
def test_exif_of_a_png_is_found(tmp_path: Path, mark: bytes) -> None:
    words = exif(taken="2018:09:13 16:23:40", orientation=6).removeprefix(b"Exif\0\0")
    added = struct.pack(">I", len(words)) + b"eXIf" + words + struct.pack(">I", zlib.crc32(b"eXIf" + words))
    content = image("PNG")
    at = content.index(mark) - 4

    told = inspected(content[:at] + added + content[at:], tmp_path, "PNG")

    assert (told["orientation"], told["datetime_original"]) == (6, "2018-09-13T16:23:40")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(
    ("kind", "bands", "extra", "mode"),
    [("H", 1, (), "L"), ("H", 2, (2,), "LA"), ("H", 3, (), "RGB"), ("f", 1, (), "L"), ("f", 3, (), "RGB"), ("d", 1, (), "L"),
     ("f", 4, (1,), "RGBA"), ("I", 3, (), "RGB"), ("H", 7, (0, 0, 0, 0), "RGB")],
)  # fmt: skip
def test_any_tiff_is_described(
    tmp_path: Path, order: str, big: bool, kind: str, bands: int, extra: tuple[int, ...], mode: str
) -> None:
    content = tiff([0] * 12 * bands, (4, 3), kind=kind, order=order, big=big, extra_samples=extra, tags={274: [6]})

    told = inspected(content, tmp_path, "TIFF")

    assert (told["width"], told["height"], told["color_mode"], told["orientation"]) == (4, 3, mode, 6)
    assert (told["sequence"], told["dpi"]) == (False, None)


def test_place_and_time_of_a_big_tiff_are_told(tmp_path: Path) -> None:
    content = image("TIFF", exif=exif(taken="2018:09:13 16:23:40", gps=SYDNEY), big_tiff=True, dpi=(300, 600))
    assert content[:4] == b"II+\0"

    told = inspected(content, tmp_path, "TIFF", edge=16)

    assert (told["datetime_original"], told["dpi"]) == ("2018-09-13T16:23:40", (300, 600))
    assert told["geo_location"] == {"latitude": -33.8561, "longitude": 151.2093}


# ---------------------------------------------------------------- without decoding


def vast_webp() -> bytes:
    """A small one whose head tells of 16,383 x 16,383 pixels."""
    content = bytearray(image("WEBP", lossless=True))
    at = content.index(b"VP8L") + 9
    size = int.from_bytes(content[at : at + 4], "little")
    content[at : at + 4] = (size >> 28 << 28 | 16_382 << 14 | 16_382).to_bytes(4, "little")
    return bytes(content)


def noise(image_format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.effect_noise((200, 100), 60).convert("RGB").save(file, image_format, **options)
    return file.getvalue()


WORDS = exif(taken="2018:09:13 16:23:40", orientation=3)


@pytest.mark.parametrize(
    ("content", "image_format", "size"),
    [
        (noise("JPEG", exif=WORDS)[:-9000], "JPEG", (200, 100)),
        (noise("PNG", exif=WORDS)[:-9000], "PNG", (200, 100)),
        (noise("GIF")[:-9000], "GIF", (200, 100)),
        (noise("TIFF", exif=WORDS)[:-9000], "TIFF", (200, 100)),
        (noise("AVIF", exif=WORDS)[:-900], "AVIF", (200, 100)),
        (heic(Image.effect_noise((128, 64), 60), exif=WORDS[6:], orientation=3)[:-900], "HEIC", (128, 64)),
        (vast_webp(), "WEBP", (16_383, 16_383)),
    ],
    ids=["jpeg", "png", "gif", "tiff", "avif", "heic", "webp"],
)  # fmt: skip
def test_facts_need_no_pixels(tmp_path: Path, content: bytes, image_format: str, size: tuple[int, int]) -> None:
    told = inspected(content, tmp_path, image_format)

    assert (told["width"], told["height"]) == size
    assert told["orientation"] == (3 if image_format not in ("GIF", "WEBP") else None)
    with pytest.raises(Exception, match=r".*"):
        inspected(content, tmp_path, image_format, edge=16)


def test_facts_do_not_mind_a_wrong_checksum_beside_the_picture(tmp_path: Path) -> None:
    content = image("PNG", dpi=(300, 300))
    at = content.index(b"pHYs") + 4 + 9
    content = content[:at] + bytes(4) + content[at + 4 :]

    told = inspected(content, tmp_path, "PNG", edge=16)

    assert (told["width"], told["color_mode"], told["thumbnail"]["width"]) == (40, "RGB", 16)

"""Images as people have them: shown as every viewer shows them, and refused where the half of them is missing."""

import io
import struct
import zlib
from pathlib import Path

import pytest
import pyvips
from PIL import Image

from libs.image.error import DamagedImageError, TooLargeError, error_code
from libs.image.source import open_image
from tests.image_files.heic import heic
from tests.image_files.tiff import tiff

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # as in the children: Pillow warns of much that is damaged

pyvips.cache_set_max(0)  # in the children, no path ever holds another file

MAX_PIXELS = 1_000_000
RAMP = [0, 0.25, 0.5, 0.75, 1]
GREYS = [0, 64, 128, 191, 255]
LARGEST = {"B": 255, "H": 65_535, "I": 4_294_967_295, "b": 127, "h": 32_767, "i": 2_147_483_647, "f": 1, "e": 1}


def encoded(picture: Image.Image, image_format: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, image_format, **options)
    return file.getvalue()


def noise(mode: str = "RGB", size: tuple[int, int] = (64, 64)) -> Image.Image:
    return Image.effect_noise(size, 60).convert(mode)


def halves(mode: str = "RGB") -> Image.Image:
    """Red on the left, blue on the right."""
    picture = Image.new("RGB", (128, 64), (255, 0, 0))
    picture.paste((0, 0, 255), (64, 0, 128, 64))
    return picture.convert(mode)


def decoded(folder: Path, content: bytes, image_format: str) -> pyvips.Image:
    path = folder / "source"
    path.write_bytes(content)
    return open_image(str(path), image_format, MAX_PIXELS).image().copy_memory()


def scaled(folder: Path, content: bytes, image_format: str, size: tuple[int, int]) -> pyvips.Image:
    path = folder / "source"
    path.write_bytes(content)
    return open_image(str(path), image_format, MAX_PIXELS).scaled(*size).copy_memory()


def assert_is_refused(folder: Path, content: bytes, image_format: str) -> None:
    """Both whole and as a thumbnail."""
    with pytest.raises((pyvips.Error, DamagedImageError)):
        decoded(folder, content, image_format)
    with pytest.raises((pyvips.Error, DamagedImageError)):
        scaled(folder, content, image_format, (8, 8))


# ---------------------------------------------------------------- JPEG without its end


JPEGS = {
    "plain": encoded(noise(), "JPEG", quality=90),
    "progressive": encoded(noise(), "JPEG", quality=90, progressive=True),
    "restarts": encoded(noise(), "JPEG", quality=90, restart_marker_blocks=2),
    "grey": encoded(noise("L"), "JPEG", quality=90),
    "cmyk": encoded(noise("CMYK"), "JPEG"),
    "thumbnail inside": encoded(noise(), "JPEG", exif=b"Exif\0\0II*\0" + encoded(noise(size=(8, 8)), "JPEG")),
}


@pytest.mark.parametrize("kind", JPEGS)
@pytest.mark.parametrize(
    "end",
    [b"", b"\xff", bytes(1000), b"\xff\xd9", b"\xff\xd9 and a trailer"],
    ids=["none", "half", "zeros", "whole", "trailer"],
)
def test_jpeg_is_shown_whatever_its_end(tmp_path: Path, kind: str, end: bytes) -> None:
    whole = decoded(tmp_path, JPEGS[kind], "jpeg")
    content = JPEGS[kind].removesuffix(b"\xff\xd9") + end

    assert (decoded(tmp_path, content, "jpeg") - whole).abs().max() == 0
    small = scaled(tmp_path, content, "jpeg", (16, 16))
    assert (small.width, small.height) == (16, 16)


@pytest.mark.parametrize("kind", JPEGS)
@pytest.mark.parametrize("end", [b"", bytes(1000)], ids=["none", "zeros"])
def test_half_a_jpeg_is_refused(tmp_path: Path, kind: str, end: bytes) -> None:
    assert_is_refused(tmp_path, JPEGS[kind][: len(JPEGS[kind]) // 2] + end, "jpeg")


# ---------------------------------------------------------------- PNG with wrong checksums


def chunk(name: bytes, data: bytes, *, is_wrong: bool = False) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data) ^ is_wrong)


def with_chunk(content: bytes, added: bytes, before: bytes = b"IDAT") -> bytes:
    at = content.index(before) - 4
    return content[:at] + added + content[at:]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        (b"tEXt", b"Comment\0made by hand"), (b"tIME", bytes(7)), (b"gAMA", struct.pack(">I", 45_455)), (b"sRGB", b"\0"),
        (b"pHYs", struct.pack(">IIB", 11_811, 11_811, 1)), (b"iCCP", b"x\0\0" + zlib.compress(b"no profile")),
        (b"eXIf", b"II*\0" + bytes(12)), (b"tRNS", bytes(6)), (b"vpAg", bytes(9)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
def test_png_with_a_wrong_checksum_beside_the_picture_is_shown(tmp_path: Path, name: bytes, data: bytes, before: bytes) -> None:
    content = encoded(halves(), "PNG")

    image = decoded(tmp_path, with_chunk(content, chunk(name, data, is_wrong=True), before), "png")

    assert image(5, 5)[:3] == [255, 0, 0]
    assert image(120, 5)[:3] == [0, 0, 255]


def test_png_without_its_end_is_shown(tmp_path: Path) -> None:
    assert decoded(tmp_path, encoded(halves(), "PNG")[:-12], "png")(120, 60) == [0, 0, 255]


@pytest.mark.parametrize("name", [b"IHDR", b"IDAT", b"PLTE"])
def test_png_with_a_wrong_checksum_in_the_picture_is_refused(tmp_path: Path, name: bytes) -> None:
    content = bytearray(encoded(halves("P"), "PNG"))
    at = content.index(name)
    content[at + 4 + int.from_bytes(content[at - 4 : at])] ^= 1

    assert_is_refused(tmp_path, bytes(content), "png")


def test_half_a_png_is_refused(tmp_path: Path) -> None:
    content = encoded(noise(), "PNG")

    assert_is_refused(tmp_path, content[: len(content) // 2], "png")


# ---------------------------------------------------------------- TIFF with numbers of all kinds


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
@pytest.mark.parametrize("big", [False, True], ids=["small", "big"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", LARGEST)
def test_tiff_has_the_right_tones(tmp_path: Path, kind: str, order: str, big: bool, bands: int) -> None:
    values = [share * LARGEST[kind] if kind in "fe" else round(share * LARGEST[kind]) for share in RAMP for _ in range(bands)]
    content = tiff(values, (5, 1), kind=kind, order=order, big=big, extra_samples=() if bands % 2 else (2,))

    image = decoded(tmp_path, content, "tiff")

    assert image.bands == (3 if bands % 2 else 4)
    assert [image(x, 0)[0] for x in range(5)] == pytest.approx(GREYS, abs=1)
    assert scaled(tmp_path, content, "tiff", (5, 1)).width == 5


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("f", [share * 255 for share in RAMP]),
        ("f", [share * 65_535 for share in RAMP]),
        ("f", [share * 2 - 1 for share in RAMP]),
        ("f", [share * 8_848 for share in RAMP]),
        ("f", [share * 1e12 for share in RAMP]),
        ("i", [round(share * 255) for share in RAMP]),
        ("i", [round(share * 65_535) for share in RAMP]),
        ("h", [round(share * 2000 - 1000) for share in RAMP]),
        ("I", [round(share * 1000) for share in RAMP]),
    ],
    ids=["8 bits", "16 bits", "around 0", "elevations", "beyond", "8 in 32 bits", "16 in 32 bits", "temperatures", "counts"],
)
def test_measurements_go_from_black_to_white(tmp_path: Path, kind: str, values: list[float]) -> None:
    image = decoded(tmp_path, tiff(values, (5, 1), kind=kind), "tiff")

    assert [image(x, 0)[0] for x in range(5)] == pytest.approx(GREYS, abs=1)


def test_lights_beyond_white_do_not_darken_the_rest(tmp_path: Path) -> None:
    image = decoded(tmp_path, tiff([0, 0.25, 0.5, 1, 3], (5, 1), kind="f"), "tiff")

    assert [image(x, 0)[0] for x in range(5)] == pytest.approx([0, 64, 128, 255, 255], abs=1)


def test_what_is_no_number_is_black(tmp_path: Path) -> None:
    image = decoded(tmp_path, tiff([float("nan"), 0.25, 0.5, 0.75, 1], (5, 1), kind="f"), "tiff")

    assert [image(x, 0)[0] for x in range(5)] == pytest.approx(GREYS, abs=1)


@pytest.mark.parametrize("photometric", [1, 2])
def test_bands_beyond_the_colours_are_not_shown(tmp_path: Path, photometric: int) -> None:
    values = [round(share * 65_535) for share in RAMP for _ in range(5)]

    image = decoded(
        tmp_path, tiff(values, (5, 1), photometric=photometric, extra_samples=(0,) * (2 if photometric == 2 else 4)), "tiff"
    )

    assert image.bands == 3
    assert [image(x, 0)[1] for x in range(5)] == pytest.approx(GREYS, abs=1)


@pytest.mark.parametrize("mode", ["L", "P", "1", "LAB", "YCbCr", "RGB", "RGBA"])
def test_tiff_of_other_colours_is_shown(tmp_path: Path, mode: str) -> None:
    picture = Image.new("RGB", (16, 16), (204, 204, 204)).convert(mode, dither=Image.Dither.NONE)

    image = decoded(tmp_path, encoded(picture, "TIFF"), "tiff")

    assert image(8, 8)[:3] == pytest.approx([255 if mode == "1" else 204] * 3, abs=2)


def test_measurements_are_turned_upright(tmp_path: Path) -> None:
    values = [0.0, 0.25, 0.75, 1.0, 0.5, 0.5]

    image = decoded(tmp_path, tiff(values, (2, 3), kind="f", tags={274: [6]}), "tiff")

    assert (image.width, image.height) == (3, 2)
    assert [image(x, 0)[0] for x in range(3)] == pytest.approx([128, 191, 0], abs=1)


def test_half_a_tiff_is_refused(tmp_path: Path) -> None:
    for content in (tiff([0.5] * 4096, (64, 64), kind="f"), encoded(noise(), "TIFF", compression="tiff_lzw")):
        assert_is_refused(tmp_path, content[: len(content) // 2], "tiff")


# ---------------------------------------------------------------- HEIF


@pytest.mark.parametrize("tile", [0, 64])
@pytest.mark.parametrize("brand", [b"heic", b"mif1"])
def test_heic_is_shown(tmp_path: Path, tile: int, brand: bytes) -> None:
    image = decoded(tmp_path, heic(halves(), tile=tile, brand=brand), "heic")

    assert (image.width, image.height, image.bands) == (128, 64, 3)
    assert image(5, 5) == pytest.approx([255, 0, 0], abs=3)
    assert image(120, 60) == pytest.approx([0, 0, 255], abs=3)


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv420p10le", "gray", "gray10le"])
def test_heic_of_any_depth_has_the_right_tones(tmp_path: Path, pixels: str) -> None:
    image = decoded(tmp_path, heic(Image.linear_gradient("L").resize((64, 64)), pixels=pixels), "heic")

    assert [image(32, y)[1] for y in (0, 16, 32, 48, 63)] == pytest.approx([2, 66, 130, 194, 253], abs=4)


def test_heic_is_shown_upright(tmp_path: Path) -> None:
    image = scaled(tmp_path, heic(halves(), tile=64, orientation=6), "heic", (32, 64))

    assert image(5, 5) == pytest.approx([255, 0, 0], abs=3)
    assert image(5, 60) == pytest.approx([0, 0, 255], abs=3)


def test_avif_is_shown_with_its_transparency(tmp_path: Path) -> None:
    picture = halves("RGBA")
    picture.putalpha(100)

    image = decoded(tmp_path, encoded(picture, "AVIF", quality=100), "avif")

    assert image(5, 5) == pytest.approx([255, 0, 0, 100], abs=6)


def test_an_animated_avif_is_its_first_frame(tmp_path: Path) -> None:
    content = encoded(halves(), "AVIF", save_all=True, append_images=[Image.new("RGB", (128, 64))], duration=100)

    assert scaled(tmp_path, content, "avif", (64, 32))(5, 5) == pytest.approx([255, 0, 0], abs=6)


@pytest.mark.parametrize("tile", [0, 64])
def test_half_a_heic_is_refused(tmp_path: Path, tile: int) -> None:
    content = heic(noise(size=(128, 64)), tile=tile)
    path = tmp_path / "source"
    path.write_bytes(content[: len(content) // 2])

    with pytest.raises(DamagedImageError):
        open_image(str(path), "heic", MAX_PIXELS)


def test_a_heic_that_does_not_say_where_it_ends_is_shown(tmp_path: Path) -> None:
    content = heic(halves(), tile=64)
    at = content.index(b"mdat") - 4

    assert decoded(tmp_path, content[:at] + bytes(4) + content[at + 4 :], "heic")(5, 5) == pytest.approx([255, 0, 0], abs=3)


def test_a_heic_with_a_trailer_is_shown(tmp_path: Path) -> None:
    assert decoded(tmp_path, heic(halves(), tile=64) + b"trailer of a telephone", "heic")(5, 5) == pytest.approx(
        [255, 0, 0], abs=3
    )


def test_half_an_avif_is_refused(tmp_path: Path) -> None:
    content = encoded(noise(), "AVIF")

    with pytest.raises(DamagedImageError):
        decoded(tmp_path, content[: len(content) // 2], "avif")


# ---------------------------------------------------------------- SVG


RECT = '<rect width="120" height="50" fill="red"/>'
NAMESPACES = (
    '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd" [\n'
    '\t<!ENTITY ns_svg "http://www.w3.org/2000/svg">\n\t<!ENTITY st0 "fill:#FF0000;">\n]>\n'
)


def svg(body: str = RECT, *, doctype: str = "", attributes: str = 'width="120" height="50"') -> bytes:
    return f'<?xml version="1.0"?>\n{doctype}<svg xmlns="http://www.w3.org/2000/svg" {attributes}>{body}</svg>'.encode()


@pytest.mark.parametrize(
    "content",
    [
        svg(),
        svg(doctype=NAMESPACES),
        svg('<rect width="120" height="50" style="&st0;"/>', doctype=NAMESPACES),
        svg(doctype=NAMESPACES).replace(b'"http://www.w3.org/2000/svg" w', b'"&ns_svg;" w'),
        svg().replace(b"<svg xmlns", b"<s:svg xmlns:s").replace(b"</svg", b"</s:svg").replace(b"<rect", b"<s:rect"),
        svg().decode().replace("?>", ' encoding="utf-16"?>').encode("utf-16"),
        svg("<!-- \xe9 -->" + RECT).decode().replace("?>", ' encoding="iso-8859-1"?>').encode("iso-8859-1"),
        svg(attributes='viewBox="0 0 120 50"'),
    ],
    ids=["plain", "doctype", "style", "namespace", "prefix", "utf-16", "latin", "no size"],
)
def test_svg_is_shown_in_any_size(tmp_path: Path, content: bytes) -> None:
    assert decoded(tmp_path, content, "svg")(60, 25) == [255, 0, 0, 255]
    large = scaled(tmp_path, content, "svg", (480, 200))
    assert (large.width, large.height, large(240, 100)) == (480, 200, [255, 0, 0, 255])


@pytest.mark.parametrize(
    "body",
    [
        '<image href="green.png" width="120" height="50"/>',
        '<image href="{folder}/green.png" width="120" height="50"/>',
        '<image href="file://{folder}/green.png" width="120" height="50"/>',
        '<use href="green.svg#g"/>',
        '<g xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="green.svg"/></g>',
        '<g xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="file://{folder}/green.svg"/></g>',
        '<style>@import url("green.css");</style><rect width="120" height="50" fill="none"/>',
        '<foreignObject width="120" height="50"><iframe src="green.svg"/></foreignObject>',
    ],
)
def test_svg_reaches_nothing_beside_itself(tmp_path: Path, body: str) -> None:
    Image.new("RGB", (120, 50), (0, 255, 0)).save(tmp_path / "green.png")
    (tmp_path / "green.svg").write_bytes(svg('<rect id="g" width="120" height="50" fill="lime"/>'))
    (tmp_path / "green.css").write_text("rect { fill: lime }")

    image = decoded(tmp_path, svg(body.format(folder=tmp_path)), "svg")

    assert image.extract_band(1).max() == 0


LAUGHS = '<!DOCTYPE svg [<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 11)) + "]>"


@pytest.mark.parametrize(
    "content",
    [
        svg("<text>&a;</text>", doctype='<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]>'),
        svg("<text>&a;</text>", doctype='<!DOCTYPE svg [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]>'),
        svg("<text>&a10;</text>", doctype=LAUGHS),
        svg('<text class="&a10;"/>', doctype=LAUGHS),
        svg("<text>&nobody;</text>"),
        svg()[:-8],
        svg(attributes='width="0" height="0"'),
    ],
    ids=["external", "parameter", "laughs", "laughs in an attribute", "undefined", "cut off", "nothing to see"],
)
def test_svg_that_cannot_be_drawn_is_refused(tmp_path: Path, content: bytes) -> None:
    assert_is_refused(tmp_path, content, "svg")


# ---------------------------------------------------------------- limits


@pytest.mark.parametrize(
    ("content", "image_format"),
    [
        (encoded(halves(), "JPEG"), "jpeg"), (encoded(halves(), "PNG"), "png"), (encoded(halves(), "BMP"), "bmp"),
        (encoded(halves("LAB"), "TIFF"), "tiff"), (tiff([0.5] * 8192, (128, 64), kind="f"), "tiff"),
        (encoded(halves(), "AVIF"), "avif"), (heic(halves()), "heic"), (svg(attributes='width="128" height="64"'), "svg"),
    ],
)  # fmt: skip
def test_too_many_pixels_are_refused(tmp_path: Path, content: bytes, image_format: str) -> None:
    path = tmp_path / "source"
    path.write_bytes(content)

    open_image(str(path), image_format, 128 * 64)
    with pytest.raises(TooLargeError):
        open_image(str(path), image_format, 128 * 64 - 1)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TooLargeError(), "too_large"), (MemoryError(), "out_of_memory"), (pyvips.Error("out of memory"), "out_of_memory"),
        (DamagedImageError(), "unreadable"), (SyntaxError("not a TIFF"), "unreadable"),
    ],
)  # fmt: skip
def test_errors_have_a_word(error: Exception, expected: str) -> None:
    assert error_code(error) == expected


def test_a_full_disk_is_not_the_fault_of_the_file() -> None:
    with pytest.raises(OSError, match="No space left"):
        error_code(OSError(28, "No space left on device"))

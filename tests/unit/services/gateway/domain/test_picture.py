"""Which files count as images."""

import pytest

from services.gateway.domain.picture import picture


def iso(brand: bytes, *compatible: bytes) -> bytes:
    body = b"ftyp" + brand + b"\x00\x00\x00\x00" + b"".join(compatible)
    return (len(body) + 4).to_bytes(4) + body + b"\x00" * 40


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "jpeg"),
        (b"\x89PNG\r\n\x1a\n", "png"),
        (b"GIF89a", "gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "webp"),
        (b"II*\x00", "tiff"),
        (b"BM\x00\x00", "bmp"),
        (iso(b"avif", b"mif1"), "avif"),
        (iso(b"mif1", b"mif1", b"avif"), "avif"),
        (iso(b"heic", b"mif1"), "heic"),
        (iso(b"mif1", b"heic"), "heic"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "svg"),
        (b"\xef\xbb\xbf <?xml version='1.0'?>\n<!-- a\nb -->\n<!DOCTYPE svg PUBLIC 'x' 'y'>\n<svg width='1'>", "svg"),
        (iso(b"isom", b"mp42"), None),
        (iso(b"mif1", b"miaf"), None),
        (b"<?xml version='1.0'?><!DOCTYPE svg [<!ENTITY a 'b'>]><svg>", None),
        (b"<html><svg></svg></html>", None),
        (b"<svgx>", None),
        (b"#EXTM3U\n", None),
        (b"RIFF\x00\x00\x00\x00WAVE", None),
        (b"", None),
        (b"\x00" * 4096, None),
        (b"<!--" * 1000, None),
        (b"<!---->" * 585, None),
        (b"<?xml?>" * 585, None),
    ],
)
def test_images_are_known_by_their_first_bytes(head: bytes, expected: str | None) -> None:
    assert picture(head) == expected

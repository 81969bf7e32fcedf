"""What files really are, from their first bytes."""

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.media_type.content import SNIFF_BYTES, sniff, sniff_file


def zipped(*members: tuple[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


def box(brand: bytes, *compatible: bytes) -> bytes:
    body = brand + bytes(4) + b"".join(compatible)
    return (8 + len(body)).to_bytes(4) + b"ftyp" + body


EPUB = ("mimetype", b"application/epub+zip")
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
CONTENT_TYPES = ("[Content_Types].xml", b"<Types/>")

CASES = [
    (b"\xff\xd8\xff\xe0\x00\x10JFIF", "image/jpeg", "jpeg", None),
    (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "image/png", "png", None),
    (b"GIF89a\x01\x00", "image/gif", "gif", None),
    (b"RIFF\x24\x00\x00\x00WEBPVP8 ", "image/webp", "webp", None),
    (b"II*\x00\x08\x00\x00\x00", "image/tiff", "tiff", None),
    (b"MM\x00*\x00\x00\x00\x08", "image/tiff", "tiff", None),
    (b"II+\x00\x08\x00\x00\x00\x10", "image/tiff", "tiff", None),
    (b"MM\x00+\x00\x08\x00\x00", "image/tiff", "tiff", None),
    (b"BM" + bytes(12) + b"\x28\x00\x00\x00", "image/bmp", "bmp", None),
    (box(b"avif", b"mif1"), "image/avif", "avif", None),
    (box(b"heic", b"mif1"), "image/heic", "heic", None),
    (box(b"mif1", b"heic"), "image/heic", "heic", None),
    (box(b"heix", b"mif1", b"MiHB", b"tmap"), "image/heic", "heic", None),
    (box(b"mif1", b"mif1", b"avif"), "image/avif", "avif", None),
    (box(b"msf1", b"avis"), "image/avif", "avif", None),
    (box(b"mif1", b"miaf"), "image/heif", "heic", None),
    (box(b"isom", b"avc1"), "video/mp4", None, "mov"),
    (box(b"mp42"), "video/mp4", None, "mov"),
    (box(b"M4A "), "audio/mp4", None, "mov"),
    (box(b"qt  "), "video/quicktime", None, "mov"),
    (box(b"3gp5"), "video/3gpp", None, "mov"),
    (b"\x00\x00\x00\x08wide\x00\x00\x00\x00mdat", "video/quicktime", None, "mov"),
    (b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm", "video/webm", None, "matroska"),
    (b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x88matroska", "video/x-matroska", None, "matroska"),
    (b"RIFF\x24\x00\x00\x00WAVEfmt ", "audio/wav", None, "wav"),
    (b"RIFF\x24\x00\x00\x00AVI LIST", "video/x-msvideo", None, "avi"),
    (b"OggS\x00\x02" + bytes(22) + b"\x01vorbis", "audio/ogg", None, "ogg"),
    (b"OggS\x00\x02" + bytes(22) + b"\x80theora", "video/ogg", None, "ogg"),
    (b"fLaC\x00\x00\x00\x22", "audio/flac", None, "flac"),
    (b"ID3\x04\x00\x00\x00\x00\x00\x23TSSE", "audio/mpeg", None, "mp3"),
    (b"\xff\xfb\x90\x64" + bytes(8), "audio/mpeg", None, "mp3"),
    (b"\xff\xf1\x50\x80" + bytes(8), "audio/aac", None, "aac"),
    (b"FORM\x00\x00\x00\x20AIFFCOMM", "audio/aiff", None, "aiff"),
    ((b"\x47" + bytes(187)) * 6, "video/mp2t", None, "mpegts"),
    ((bytes(4) + b"\x47" + bytes(187)) * 6, "video/mp2t", None, "mpegts"),
    ((b"\x47" + bytes(203)) * 6, "video/mp2t", None, "mpegts"),
    (b"FLV\x01\x05\x00\x00\x00\x09", "video/x-flv", None, "flv"),
    (b"%PDF-1.7\n", "application/pdf", None, None),
    (zipped(("a.txt", b"hello")), "application/zip", None, None),
    (zipped(EPUB), "application/epub+zip", None, None),
    (zipped(CONTENT_TYPES, ("word/document.xml", b"<w/>")), WORD, None, None),
    (b"\x1f\x8b\x08\x00", "application/gzip", None, None),
    (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml", "svg", None),
    (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- a --><!DOCTYPE svg [<!ENTITY a 'b'>]>\n<svg/>", "image/svg+xml", "svg", None),
    (b"<!DOCTYPE svg PUBLIC 'a' \"b>\" [\n<!-- ' ]> --><!ENTITY a \"]>\"><?p ' ?>] >\n<svg>", "image/svg+xml", "svg", None),
    (b"<!DOCTYPE svg [<!ENTITY % a SYSTEM 'file:///a'> %a;]><svg/>", "image/svg+xml", "svg", None),
    (b"<!-- " + b"a" * 9000 + b" --><svg\n>", "image/svg+xml", "svg", None),
    (b"<s:svg xmlns:s='http://www.w3.org/2000/svg'/>", "image/svg+xml", "svg", None),
    (b"<?xml version='1.0' encoding='iso-8859-1'?><!-- \xe9 --><svg/>", "image/svg+xml", "svg", None),
    ("\ufeff<?xml version='1.0' encoding='utf-16'?><svg/>".encode("utf-16-be"), "image/svg+xml", "svg", None),
    (b"<svgx>", "text/plain", None, None),
    (b"a text about <svg>", "text/plain", None, None),
    (b"<html><svg></svg></html>", "text/html", None, None),
    (b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b '", "application/xml", None, None),
    (b"<?xml version='1.0'?><feed/>", "application/xml", None, None),
    (b"  <!DOCTYPE html><html>", "text/html", None, None),
    (b"<!-- <svg> --><HTML><svg>", "text/html", None, None),
    (b'{"a": [1, 2]}', "application/json", None, None),
    (b"{not json", "text/plain", None, None),
    ("Grüße, ça va?\n".encode(), "text/plain", None, None),
    ("ünï".encode()[:-1], "text/plain", None, None),
    ("\ufeffhello".encode("utf-16-le"), "text/plain", None, None),
    (b"#EXTM3U\n#EXT-X-VERSION:3\n", "application/vnd.apple.mpegurl", None, None),
    (b"ffconcat version 1.0\nfile /etc/passwd\n", "text/plain", None, None),
    (b"", "application/octet-stream", None, None),
    (bytes(4096), "application/octet-stream", None, None),
    (b"\x01\x02\x03\x04random", "application/octet-stream", None, None),
]  # fmt: skip


@pytest.mark.parametrize(("head", "mime_type", "image_format", "demuxer"), CASES, ids=lambda value: repr(value)[:24])
def test_first_bytes_name_the_type_and_how_to_open_it(
    head: bytes, mime_type: str, image_format: str | None, demuxer: str | None
) -> None:
    content = sniff(head)

    assert (content.mime_type, content.image_format, content.demuxer) == (mime_type, image_format, demuxer)


@given(st.binary(max_size=600))
def test_any_bytes_have_a_type(head: bytes) -> None:
    assert "/" in sniff(head).mime_type


@pytest.mark.parametrize(
    "text",
    ["<!---->", "<?x?>", "<!DOCTYPE a [", "[", '{"a":', "<!doctype html", "<!--", "<!DOCTYPE a>", '<!DOCTYPE a "',
     "<!DOCTYPE a [<!-- ", "<!DOCTYPE a [<?", "<!DOCTYPE a [<!ENTITY b '", "<", "<svg:", "<?xml?>", " "],
)  # fmt: skip
def test_hostile_text_is_named_in_linear_time(text: str) -> None:
    head = (text * SNIFF_BYTES)[:SNIFF_BYTES].encode()

    assert sniff(head).mime_type.startswith(("text/", "application/"))


TAG = b"ID3\x03\x00\x00\x00\x00\x00\x0aTIT2\x00\x00\x00\x00\x00\x00"
FOOTED = b"ID3\x04\x00\x10\x00\x00\x00\x02\x00\x003DI\x04\x00\x10\x00\x00\x00\x02"
FRAME = b"\xff\xfb\x90\x64" + bytes(8)


@pytest.mark.parametrize("before", [TAG, FOOTED, TAG + TAG, b"\0", bytes(9) + TAG + bytes(40_000)], ids=len)
@pytest.mark.parametrize(
    ("sound", "mime_type"),
    [(FRAME, "audio/mpeg"), (b"fLaC\x00\x00\x00\x22", "audio/flac"), (b"\xff\xf1\x50\x80" + bytes(8), "audio/aac")],
)
def test_sound_lies_behind_tags_and_zeros(before: bytes, sound: bytes, mime_type: str) -> None:
    content = sniff(before + sound)

    assert (content.mime_type, content.skipped_bytes) == (mime_type, len(before))
    assert sniff_file(io.BytesIO(before + sound)) == content


def test_sound_lies_behind_tags_that_are_larger_than_what_is_sniffed() -> None:
    cover = b"ID3\x03\x00\x00\x00\x40\x00\x00".ljust((1 << 20) + 10, b"\1")

    assert sniff(cover[:SNIFF_BYTES]).mime_type == "audio/mpeg"
    content = sniff_file(io.BytesIO(cover + b"fLaC\x00\x00\x00\x22"))
    assert (content.mime_type, content.skipped_bytes) == ("audio/flac", len(cover))


def test_many_tags_are_passed_in_linear_time() -> None:
    assert sniff((b"ID3\x03" + bytes(6)) * (SNIFF_BYTES // 10) + FRAME).skipped_bytes == SNIFF_BYTES // 10 * 10


@pytest.mark.parametrize("behind", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"PK\x03\x04", b"\0\0\0\x14ftypisom"])
def test_only_sound_lies_behind_tags(behind: bytes) -> None:
    assert sniff(TAG + behind) == sniff_file(io.BytesIO(TAG + behind))
    assert (sniff(TAG + behind).mime_type, sniff(TAG + behind).skipped_bytes) == ("audio/mpeg", 0)
    assert sniff(bytes(40) + behind).mime_type == "application/octet-stream"

"""What a file really is, from its first bytes.

The table of common magic numbers is ours because it also says how a file may be opened (which image decoder, which
ffmpeg demuxer): nothing that is not in it is ever opened as media, playlist formats (HLS, DASH, concat) least of all.
puremagic names the rest.
"""

from dataclasses import dataclass, replace
from typing import BinaryIO, Final, Literal

import puremagic

from libs.media_type.tag import skip_tags
from libs.media_type.text import SVG, text_type

SNIFF_BYTES: Final = 64 << 10
UNKNOWN: Final = "application/octet-stream"
MEDIA_CLASSES: Final = frozenset({"image", "video", "audio"})

ImageFormat = Literal["jpeg", "png", "gif", "webp", "tiff", "avif", "heic", "bmp", "svg"]
"""What can be opened as a still image; `heic` is HEIF with any codec but AV1."""


@dataclass(frozen=True)
class Content:
    """At most one of `image_format` and `demuxer` (ffmpeg's word) is set: how to open it, if at all."""

    mime_type: str
    image_format: ImageFormat | None = None
    demuxer: str | None = None
    skipped_bytes: int = 0
    """What the demuxer shall not look at: tags and zeros before the sound."""

    @property
    def is_opened(self) -> bool:
        """True where there is more to learn than the type."""
        return self.image_format is not None or self.demuxer is not None


def sniff(head: bytes) -> Content:
    """What a file is that starts with `head` (`SNIFF_BYTES`, or all of it where it is shorter)."""
    if found := _binary(head) or _tagged(head):
        return found
    mime_type = text_type(head) or _named_by_puremagic(head)
    return Content(mime_type, image_format="svg" if mime_type == SVG else None)


def sniff_file(file: BinaryIO) -> Content:
    """What `file` is, which is open at its beginning. It sees sound behind tags that are larger than `SNIFF_BYTES`, too."""
    head = file.read(SNIFF_BYTES)
    start = skip_tags(head)
    if start < len(head):
        return sniff(head)
    file.seek(start)
    return _sound(file.read(SNIFF_BYTES), start) or sniff(head)


# ---------------------------------------------------------------- magic numbers

_FIXED: Final[tuple[tuple[int, bytes, Content], ...]] = (
    (0, b"\xff\xd8\xff", Content("image/jpeg", image_format="jpeg")),
    (0, b"\x89PNG\r\n\x1a\n", Content("image/png", image_format="png")),
    (0, b"GIF87a", Content("image/gif", image_format="gif")),
    (0, b"GIF89a", Content("image/gif", image_format="gif")),
    (0, b"II*\x00", Content("image/tiff", image_format="tiff")),
    (0, b"MM\x00*", Content("image/tiff", image_format="tiff")),
    (0, b"II+\x00", Content("image/tiff", image_format="tiff")),  # BigTIFF
    (0, b"MM\x00+", Content("image/tiff", image_format="tiff")),
    (0, b"8BPS\x00\x01", Content("image/vnd.adobe.photoshop")),
    (0, b"\x00\x00\x01\x00", Content("image/x-icon")),
    (0, b"\x00\x00\x00\x0cJXL \r\n\x87\n", Content("image/jxl")),
    (0, b"\xff\x0a", Content("image/jxl")),
    (0, b"\x00\x00\x00\x0cjP  \r\n\x87\n", Content("image/jp2")),
    (0, b"fLaC", Content("audio/flac", demuxer="flac")),
    (0, b"caff", Content("audio/x-caf", demuxer="caf")),
    (0, b"#!AMR", Content("audio/amr", demuxer="amr")),
    (0, b"MThd", Content("audio/midi")),
    (0, b"FLV\x01", Content("video/x-flv", demuxer="flv")),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Content("video/x-ms-asf", demuxer="asf")),
    (0, b"\x00\x00\x01\xba", Content("video/mpeg", demuxer="mpeg")),
    (0, b"\x1f\x8b", Content("application/gzip")),
    (0, b"7z\xbc\xaf\x27\x1c", Content("application/x-7z-compressed")),
    (0, b"Rar!\x1a\x07", Content("application/vnd.rar")),
    (0, b"\xfd7zXZ\x00", Content("application/x-xz")),
    (0, b"\x28\xb5\x2f\xfd", Content("application/zstd")),
    (0, b"BZh", Content("application/x-bzip2")),
    (257, b"ustar", Content("application/x-tar")),
    (0, b"\x7fELF", Content("application/x-executable")),
    (0, b"SQLite format 3\x00", Content("application/vnd.sqlite3")),
    (0, b"\x00asm", Content("application/wasm")),
    (0, b"wOFF", Content("font/woff")),
    (0, b"wOF2", Content("font/woff2")),
    (0, b"OTTO", Content("font/otf")),
)

_RIFF: Final = {
    b"WEBP": Content("image/webp", image_format="webp"),
    b"WAVE": Content("audio/wav", demuxer="wav"),
    b"AVI ": Content("video/x-msvideo", demuxer="avi"),
}

_BRANDS: Final = {
    b"avif": Content("image/avif", image_format="avif"),
    b"avis": Content("image/avif", image_format="avif"),
    **dict.fromkeys(
        (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"), Content("image/heic", image_format="heic")
    ),
    **dict.fromkeys((b"mif1", b"msf1"), Content("image/heif", image_format="heic")),
    b"crx ": Content("image/x-canon-cr3"),
    b"qt  ": Content("video/quicktime", demuxer="mov"),
    **dict.fromkeys((b"M4A ", b"M4B ", b"M4P ", b"F4A "), Content("audio/mp4", demuxer="mov")),
}
"""Major brands of ISO media files, https://mp4ra.org/registered-types/brands; any other is `video/mp4`."""

_TAGGED: Final = frozenset({"mp3", "aac", "flac", "ogg", "wav"})
"""Demuxers of sound that begins anywhere: nothing in it refers to places in the file."""

_QUICKTIME_ATOMS: Final = (b"moov", b"mdat", b"wide", b"pnot", b"skip", b"free")

_ZIP_MEMBERS: Final = (
    (b"word/", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    (b"xl/", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (b"ppt/", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
)


def _binary(head: bytes) -> Content | None:
    for offset, magic, content in _FIXED:
        if head.startswith(magic, offset):
            return content
    for recognise in (_iso_media, _riff, _matroska, _ogg, _mpeg_audio, _iff, _transport_stream, _bitmap, _zip, _pdf):
        if found := recognise(head):
            return found
    return None


def _iso_media(head: bytes) -> Content | None:
    if head[4:8] in _QUICKTIME_ATOMS and len(head) >= 8:
        return Content("video/quicktime", demuxer="mov")
    if head[4:8] != b"ftyp":
        return None
    brand = head[8:12]
    if brand in (b"mif1", b"msf1"):  # generic: the codec is among the compatible brands
        size = int.from_bytes(head[:4])
        compatible = {head[at : at + 4] for at in range(16, min(size, len(head), 256), 4)}
        brand = next((b for b in (b"avif", b"avis", b"heic", b"heix", b"hevc", b"hevx") if b in compatible), brand)
    if brand[:3] == b"3gp":
        return Content("video/3gpp", demuxer="mov")
    if brand[:3] == b"3g2":
        return Content("video/3gpp2", demuxer="mov")
    return _BRANDS.get(brand, Content("video/mp4", demuxer="mov"))


def _riff(head: bytes) -> Content | None:
    return _RIFF.get(head[8:12]) if head[:4] in (b"RIFF", b"RF64", b"BW64") else None


def _matroska(head: bytes) -> Content | None:
    if not head.startswith(b"\x1a\x45\xdf\xa3"):
        return None
    mime_type = "video/webm" if b"webm" in head[:64] else "video/x-matroska"
    return Content(mime_type, demuxer="matroska")


def _ogg(head: bytes) -> Content | None:
    if not head.startswith(b"OggS"):
        return None
    is_video = b"\x80theora" in head[:512]
    return Content("video/ogg" if is_video else "audio/ogg", demuxer="ogg")


def _tagged(head: bytes) -> Content | None:
    """Sound behind an ID3 tag or zeros. MP3 is what is mostly tagged, and finds its first frame by itself."""
    start = skip_tags(head)
    if start and (found := _sound(head[start:], start)):
        return found
    is_tagged = head.lstrip(b"\0").startswith(b"ID3") and len(head) > 10
    return Content("audio/mpeg", demuxer="mp3") if is_tagged else None


def _sound(rest: bytes, start: int) -> Content | None:
    """`rest` begins at `start` of its file."""
    found = _binary(rest)
    return replace(found, skipped_bytes=start) if found and found.demuxer in _TAGGED else None


def _mpeg_audio(head: bytes) -> Content | None:
    """MP3, or AAC in ADTS frames."""
    if len(head) < 4 or head[0] != 0xFF:
        return None
    if head[1] & 0xF6 == 0xF0 and head[2] >> 2 & 0xF < 13:
        return Content("audio/aac", demuxer="aac")
    is_layer_2_or_3 = head[1] & 0xE0 == 0xE0 and head[1] >> 3 & 3 != 1 and head[1] >> 1 & 3 in (1, 2)
    if is_layer_2_or_3 and head[2] >> 4 not in (0, 15) and head[2] >> 2 & 3 != 3:
        return Content("audio/mpeg", demuxer="mp3")
    return None


def _iff(head: bytes) -> Content | None:
    is_aiff = head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC")
    return Content("audio/aiff", demuxer="aiff") if is_aiff else None


def _transport_stream(head: bytes) -> Content | None:
    """Packets of 188 bytes, of 192 with a time before each (AVCHD, Blu-ray), of 204 with a checksum behind each (broadcast)."""
    for start, length in ((0, 188), (4, 192), (0, 204)):
        marks = head[start : start + length * 5 : length]
        if len(head) > length * 4 and marks.count(b"\x47") == len(marks):
            return Content("video/mp2t", demuxer="mpegts")
    return None


def _bitmap(head: bytes) -> Content | None:
    is_bitmap = head[:2] == b"BM" and head[14:18] in (bytes([size, 0, 0, 0]) for size in (12, 40, 52, 56, 64, 108, 124))
    return Content("image/bmp", image_format="bmp") if is_bitmap else None


def _zip(head: bytes) -> Content | None:
    if not head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return None
    if head[30:38] == b"mimetype":  # EPUB and OpenDocument: a stored first member that says what it is
        length = int.from_bytes(head[22:26], "little")
        named = head[38 : 38 + length].decode("ascii", "replace").strip()
        if named.startswith("application/") and named.isprintable() and length < 100:
            return Content(named)
    if b"[Content_Types].xml" in head:
        for member, mime_type in _ZIP_MEMBERS:
            if member in head:
                return Content(mime_type)
    return Content("application/zip")


def _pdf(head: bytes) -> Content | None:
    return Content("application/pdf") if b"%PDF-" in head[:1024] else None


def _named_by_puremagic(head: bytes) -> str:
    """puremagic's best name, unless it is a guess from too few bytes or claims a media type that our table denies."""
    if not head or not any(head[:64]):
        return UNKNOWN
    try:
        matches = puremagic.magic_string(head[:8192])
    except (puremagic.PureError, ValueError):
        return UNKNOWN
    for match in matches:
        if match.mime_type and len(match.byte_match) >= 4 and match.mime_type.partition("/")[0] not in MEDIA_CLASSES:
            return str(match.mime_type)
    return UNKNOWN

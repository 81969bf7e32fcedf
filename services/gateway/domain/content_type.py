"""MIME types: their form, their class, and the extension a stored file gets."""

import re
from typing import Final, Literal

MAX_LENGTH: Final = 200

_WORD = r"[A-Za-z0-9!#$&^_.+-]{1,100}"
_FORM = re.compile(rf"{_WORD}/{_WORD}(?:; ?{_WORD}=(?:{_WORD}|\"[A-Za-z0-9 _.+/-]{{0,100}}\"))*")

Kind = Literal["image", "video", "audio", "other"]

EXTENSIONS: Final[dict[str, str]] = {
    "image/jpeg": ".jpg", "image/png": ".png", "image/gif": ".gif", "image/webp": ".webp", "image/avif": ".avif",
    "image/heic": ".heic", "image/heif": ".heif", "image/tiff": ".tiff", "image/bmp": ".bmp", "image/svg+xml": ".svg",
    "image/x-icon": ".ico", "image/vnd.adobe.photoshop": ".psd", "image/jxl": ".jxl",
    "video/mp4": ".mp4", "video/quicktime": ".mov", "video/webm": ".webm", "video/x-matroska": ".mkv", "video/mpeg": ".mpg",
    "video/x-msvideo": ".avi", "video/x-m4v": ".m4v", "video/ogg": ".ogv", "video/3gpp": ".3gp", "video/3gpp2": ".3g2",
    "video/mp2t": ".ts", "video/x-flv": ".flv", "video/x-ms-wmv": ".wmv",
    "audio/mp4": ".m4a", "audio/x-m4a": ".m4a", "audio/mpeg": ".mp3", "audio/mp3": ".mp3", "audio/aac": ".aac",
    "audio/wav": ".wav", "audio/x-wav": ".wav", "audio/wave": ".wav", "audio/ogg": ".ogg", "audio/opus": ".opus",
    "audio/flac": ".flac", "audio/x-flac": ".flac", "audio/webm": ".weba", "audio/aiff": ".aiff", "audio/x-aiff": ".aiff",
    "audio/midi": ".mid", "audio/amr": ".amr", "audio/x-ms-wma": ".wma",
    "text/plain": ".txt", "text/csv": ".csv", "text/html": ".html", "text/css": ".css", "text/markdown": ".md",
    "text/xml": ".xml", "text/vtt": ".vtt", "text/srt": ".srt", "application/x-subrip": ".srt",
    "application/pdf": ".pdf", "application/json": ".json", "application/xml": ".xml", "application/zip": ".zip",
    "application/gzip": ".gz", "application/x-tar": ".tar", "application/x-7z-compressed": ".7z", "application/rtf": ".rtf",
    "application/x-ndjson": ".ndjson", "application/msword": ".doc", "application/vnd.ms-excel": ".xls",
    "application/vnd.ms-powerpoint": ".ppt", "application/epub+zip": ".epub", "application/octet-stream": ".bin",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
    "font/ttf": ".ttf", "font/otf": ".otf", "font/woff": ".woff", "font/woff2": ".woff2",
    "model/gltf-binary": ".glb", "model/gltf+json": ".gltf", "model/obj": ".obj", "model/stl": ".stl",
}  # fmt: skip

UNDECLARED: Final = "application/octet-stream"
"""The type of a file whose client named none."""


def is_content_type(text: str) -> bool:
    """`type/subtype` with optional parameters (RFC 9110 §8.3.1), in characters that are safe in a header."""
    return len(text) <= MAX_LENGTH and _FORM.fullmatch(text) is not None


def essence(content_type: str) -> str:
    """`type/subtype` in lower case, without parameters."""
    return content_type.partition(";")[0].strip().lower()


def kind_of(content_type: str) -> Kind:
    match essence(content_type).partition("/")[0]:
        case "image":
            return "image"
        case "video":
            return "video"
        case "audio":
            return "audio"
    return "other"


def extension_of(content_type: str) -> str:
    """With its dot; empty for a type without a usual extension."""
    return EXTENSIONS.get(essence(content_type), "")

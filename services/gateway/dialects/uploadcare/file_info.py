"""A file as this API describes it: the projection's row in the published words.

Durations are in milliseconds, bitrates in kbit/s. Source: "fileInfo", "imageInfo" and "videoInfo" of the Upload API reference,
and answers of the real service (U-23).
"""

import re
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field

from contracts.events import MediaInfo
from services.gateway.domain.content_type import UNDECLARED, essence
from services.gateway.domain.image.facts import stored_facts
from services.gateway.domain.upload import Upload

UNNAMED: Final = "file"
"""What a file is called whose name has nothing that may stay in it."""

DAMAGED: Final = "unreadable_media"
"""The code of `ProcessingFailed` for a file whose head is that of an image, and the rest is not."""

_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9_]")


class GeoLocationView(BaseModel):
    latitude: float
    longitude: float


class ImageView(BaseModel):
    format: Annotated[str, Field(examples=["JPEG"])]
    width: int
    height: int
    color_mode: str
    orientation: int | None
    dpi: tuple[int, int] | None
    sequence: bool
    geo_location: GeoLocationView | None
    datetime_original: str | None


class AudioStreamView(BaseModel):
    bitrate: int | None
    codec: str | None
    sample_rate: int | None
    channels: int | None


class VideoStreamView(BaseModel):
    height: int
    width: int
    frame_rate: float
    bitrate: int | None
    codec: str | None


class VideoView(BaseModel):
    duration: int | None
    format: str
    bitrate: int | None
    audio: list[AudioStreamView]
    video: list[VideoStreamView]


class MimeView(BaseModel):
    mime: str
    type: str
    subtype: str


class ContentView(BaseModel):
    mime: MimeView | None
    image: ImageView | None
    video: VideoView | None


class FileInfo(BaseModel):
    model_config = {"use_attribute_docstrings": True}

    uuid: str
    file_id: str
    size: int
    total: int
    done: int
    original_filename: str
    filename: str
    """Only `[A-Za-z0-9._]` of the original one."""
    mime_type: str
    """As declared; `content_info.mime` is what the bytes really are."""
    image_info: ImageView | None
    video_info: VideoView | None
    content_info: ContentView | None
    """null until the file is inspected."""
    metadata: dict[str, str]
    is_image: bool
    is_stored: bool
    is_ready: bool


def file_info(upload: Upload) -> FileInfo:
    """Of an upload whose bytes are all there, verified or not yet."""
    return FileInfo.model_validate(file_fields(upload))


def file_fields(upload: Upload) -> dict[str, Any]:
    size = size_of(upload)
    name = original_filename(upload)
    image, video = image_view(upload), video_view(upload)
    return {
        "uuid": str(upload.id),
        "file_id": str(upload.id),
        "size": size,
        "total": size,
        "done": size,
        "original_filename": name,
        "filename": sanitized(name),
        "mime_type": upload.declared_content_type or upload.mime_type or UNDECLARED,
        "image_info": image,
        "video_info": video,
        "content_info": content_view(upload),
        "metadata": upload.metadata,
        "is_image": is_image(upload),
        "is_stored": upload.kept_at is not None,
        "is_ready": upload.inspected,
    }


def size_of(upload: Upload) -> int:
    """In bytes: verified, else declared, else fetched."""
    known = (upload.size_bytes, upload.declared_size_bytes, upload.fetched_bytes)
    return next((size for size in known if size is not None), 0)


def original_filename(upload: Upload) -> str:
    return upload.name or UNNAMED


def sanitized(name: str) -> str:
    """`IMG-0412_123.JPG` → `IMG0412_123.JPG`, `3.04.39.jpeg` → `30439.jpeg`: dots only before the extension."""
    stem, dot, extension = name.rpartition(".")
    if not stem:
        stem, dot, extension = name, "", ""
    extension = _NOT_IN_NAME.sub("", extension)
    return (_NOT_IN_NAME.sub("", stem) or UNNAMED) + (dot + extension if extension else "")


def is_image(upload: Upload) -> bool:
    """True where images can be made of it: it is known what image it is, and it was not found to be damaged."""
    return upload.image is not None and upload.error_code != DAMAGED


def image_view(upload: Upload) -> ImageView | None:
    return ImageView.model_validate(stored_facts(upload.image)) if upload.image is not None else None


def video_view(upload: Upload) -> VideoView | None:
    """Of files with a moving picture or sound."""
    if upload.media is None:
        return None
    media = MediaInfo.model_validate(upload.media)
    return VideoView(
        duration=None if media.duration_seconds is None else round(media.duration_seconds * 1000),
        format=media.format,
        bitrate=_kilobits(media.bitrate_bps),
        audio=[
            AudioStreamView(
                bitrate=_kilobits(audio.bitrate_bps),
                codec=audio.codec,
                sample_rate=audio.sample_rate_hz,
                channels=audio.channels,
            )
            for audio in media.audio
        ],
        video=[
            VideoStreamView(
                height=video.height,
                width=video.width,
                frame_rate=video.frame_rate or 0.0,
                bitrate=_kilobits(video.bitrate_bps),
                codec=video.codec,
            )
            for video in media.video
        ],
    )


def content_view(upload: Upload) -> ContentView | None:
    """What the bytes really are; None until they are inspected."""
    if upload.mime_type is None:
        return None
    mime = essence(upload.mime_type)
    kind, _, subtype = mime.partition("/")
    return ContentView(mime=MimeView(mime=mime, type=kind, subtype=subtype), image=image_view(upload), video=video_view(upload))


def _kilobits(bits: int | None) -> int | None:
    return None if bits is None else round(bits / 1000)

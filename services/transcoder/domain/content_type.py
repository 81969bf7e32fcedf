"""What was declared, against what the bytes are."""

from typing import Final

from services.transcoder.domain.error import ContentTypeMismatchError

MEDIA_CLASSES: Final = frozenset({"image", "video", "audio"})


def check_declared(declared: str | None, actual: str) -> None:
    """Raises ContentTypeMismatchError where image, video or audio was declared and the bytes are none of these.

    Which of the three is not compared: `video/mp4` may well hold nothing but sound.
    """
    declared_class = _class(declared)
    if declared_class in MEDIA_CLASSES and _class(actual) not in MEDIA_CLASSES:
        article = "a" if declared_class == "video" else "an"
        raise ContentTypeMismatchError(f"The file was declared as {article} {declared_class}, but it is {actual}.")


def is_claimed_media(declared: str | None) -> bool:
    """True where the client said that it is an image, video or audio file. Nobody else's file fails for not being one."""
    return _class(declared) in MEDIA_CLASSES


def _class(mime_type: str | None) -> str:
    return (mime_type or "").partition("/")[0].strip().lower()


def refined(mime_type: str, *, has_video: bool) -> str:
    """The type of a container once its streams are known."""
    kind, _, name = mime_type.partition("/")
    if has_video and name in ("mp4", "ogg", "webm", "x-matroska", "3gpp", "3gpp2"):
        return f"video/{name}"
    if not has_video and kind == "video":
        return "audio/mp4" if name in ("quicktime", "x-m4v") else f"audio/{name}"
    return mime_type

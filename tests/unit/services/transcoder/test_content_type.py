"""What may be declared of which bytes."""

import pytest

from services.transcoder.domain.content_type import check_declared, refined
from services.transcoder.domain.error import ContentTypeMismatchError


@pytest.mark.parametrize("declared", ["video/mp4", "audio/mpeg", "image/png", "Image/PNG"])
def test_declared_media_must_be_media(declared: str) -> None:
    with pytest.raises(ContentTypeMismatchError, match=r"but it is text/plain"):
        check_declared(declared, "text/plain")


@pytest.mark.parametrize(
    ("declared", "actual"),
    [("video/mp4", "audio/mp4"), ("audio/mp4", "video/mp4"), ("image/jpeg", "image/png"), ("image/svg+xml", "image/svg+xml"),
     ("application/octet-stream", "text/plain"), (None, "text/html"), ("", "text/html"), ("text/plain", "image/png")],
)  # fmt: skip
def test_anything_else_may_be_declared(declared: str | None, actual: str) -> None:
    check_declared(declared, actual)


@pytest.mark.parametrize(
    ("mime_type", "has_video", "expected"),
    [("video/mp4", False, "audio/mp4"), ("audio/mp4", True, "video/mp4"), ("video/webm", False, "audio/webm"),
     ("video/quicktime", False, "audio/mp4"), ("audio/ogg", True, "video/ogg"), ("audio/mpeg", False, "audio/mpeg"),
     ("video/quicktime", True, "video/quicktime")],
)  # fmt: skip
def test_streams_refine_the_type_of_a_container(mime_type: str, has_video: bool, expected: str) -> None:
    assert refined(mime_type, has_video=has_video) == expected

"""No file may act as a page of the site that serves it."""

import pytest

from services.gateway.files.header import disposition, shown_inline


@pytest.mark.parametrize("content_type", ["image/png", "IMAGE/JPEG", "video/mp4", "audio/mpeg; codecs=x"])
def test_pictures_sound_and_video_are_shown(content_type: str) -> None:
    assert shown_inline(content_type)


@pytest.mark.parametrize(
    "content_type",
    ["image/svg+xml", "text/html", "text/plain", "application/xhtml+xml", "application/javascript", "application/pdf", "", "x"],
)
def test_everything_else_is_saved(content_type: str) -> None:
    assert disposition(content_type, "x").startswith("attachment")


@pytest.mark.parametrize(
    ("content_type", "inline", "expected"),
    [
        ("image/png", None, "inline"), ("image/png", False, "attachment"), ("image/png", True, "inline"),
        ("application/pdf", True, "inline"), ("text/plain; charset=utf-8", True, "inline"), ("text/plain", False, "attachment"),
        ("text/html", True, "attachment"), ("image/svg+xml", True, "attachment"), ("text/javascript", True, "attachment"),
    ],
)  # fmt: skip
def test_a_wish_counts_unless_the_file_may_act_as_a_page(content_type: str, inline: bool | None, expected: str) -> None:
    assert disposition(content_type, "x", inline=inline).partition(";")[0] == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("clip.mp4", 'inline; filename="clip.mp4"'),
        ('a"b\\c.mp4', "inline; filename=\"a_b_c.mp4\"; filename*=UTF-8''a%22b%5Cc.mp4"),
        ("grüße.mp4", "inline; filename=\"gr__e.mp4\"; filename*=UTF-8''gr%C3%BC%C3%9Fe.mp4"),
        ("a\r\nX: y", "inline; filename=\"a__X_ y\"; filename*=UTF-8''a%0D%0AX%3A%20y"),
    ],
)
def test_any_name_is_safe_in_the_header(name: str, expected: str) -> None:
    assert disposition("video/mp4", name) == expected

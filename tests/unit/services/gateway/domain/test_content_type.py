"""MIME types: form, class, extension."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.content_type import EXTENSIONS, extension_of, is_content_type, kind_of


@pytest.mark.parametrize(
    "text", ["video/mp4", "text/plain; charset=utf-8", 'a/b;c="d e"', "application/vnd.ms-excel", "image/svg+xml"]
)
def test_a_mime_type_is_recognised(text: str) -> None:
    assert is_content_type(text)


@pytest.mark.parametrize(
    "text", ["", "video", "/", "a/", "/b", "a/b/c", "a b/c", "a/b;", "a/b\r\nc: d", "a/ b", "ä/b", f"a/{'b' * 300}"]
)
def test_what_is_not_a_mime_type_is_not(text: str) -> None:
    assert not is_content_type(text)


@given(st.text(max_size=60).map(lambda text: f"a/b{text}"))
def test_a_mime_type_is_safe_in_a_header(text: str) -> None:
    if is_content_type(text):
        assert re.fullmatch(r"[\x20-\x7e]+", text)
        assert "  " not in text


def test_the_first_word_is_the_class() -> None:
    assert [kind_of(text) for text in ("image/png", "VIDEO/MP4", "audio/x", "text/plain", "imagex/y")] == [
        "image", "video", "audio", "other", "other"
    ]  # fmt: skip


def test_an_extension_fits_an_object_key() -> None:
    # E-17
    assert all(re.fullmatch(r"\.[a-z0-9]{1,10}", extension) for extension in EXTENSIONS.values())
    assert all(is_content_type(text) and text == text.lower() for text in EXTENSIONS)
    assert (extension_of("audio/mp4"), extension_of("Video/MP4; x=y"), extension_of("a/b")) == (".m4a", ".mp4", "")

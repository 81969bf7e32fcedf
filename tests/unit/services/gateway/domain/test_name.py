"""Names and folders as json2video states them (J-06, J-12, J-15)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.error import InvalidFieldError
from services.gateway.domain.name import file_name, file_url, folder_path, is_temporary, parents, split_path


@given(st.text(min_size=1, max_size=255))
def test_a_name_keeps_its_length_and_holds_only_safe_characters(text: str) -> None:
    # J-06
    name = file_name(text)

    assert len(name) == len(text)
    assert re.fullmatch(r"[a-zA-Z0-9._-]+", name)
    assert name.strip(".")


@given(st.text(min_size=1, max_size=255))
def test_a_name_that_was_made_safe_stays_as_it_is(text: str) -> None:
    assert file_name(file_name(text)) == file_name(text)


@given(st.text(max_size=512))
def test_a_folder_has_no_empty_segments_and_only_safe_characters(text: str) -> None:
    # J-15
    try:
        path = folder_path(text)
    except InvalidFieldError:
        assert not re.search(r"[a-zA-Z0-9_-]", text)
        return
    assert re.fullmatch(r"([a-zA-Z0-9_-]+(/[a-zA-Z0-9_-]+)*)?", path)
    assert folder_path(path) == path


@pytest.mark.parametrize("text", ["", "x" * 256])
def test_a_name_has_1_to_255_characters(text: str) -> None:
    with pytest.raises(InvalidFieldError):
        file_name(text)


def test_what_remains_empty_of_a_folder_is_an_error_and_the_root_is_not() -> None:
    assert folder_path("") == folder_path("/") == folder_path("//") == ""
    for text in ("!", "/./", "..", "x" * 513):
        with pytest.raises(InvalidFieldError):
            folder_path(text)


def test_parents_come_from_the_top() -> None:
    assert parents("a/b/c") == ["a", "a/b", "a/b/c"]


def test_only_temp_itself_and_what_is_below_is_temporary() -> None:
    # J-10
    assert is_temporary("temp")
    assert is_temporary("temp/x")
    assert not any(map(is_temporary, ("", "temporary", "a/temp", "Temp")))


def test_a_path_is_a_folder_and_a_name() -> None:
    assert split_path("clip.mp4") == ("", "clip.mp4")
    assert split_path("/a/b/my clip.mp4") == ("a/b", "my_clip.mp4")


def test_the_file_url_follows_the_template() -> None:
    # J-12
    assert file_url("https://x", "c1", "", "a.mp4") == "https://x/c1/files/a.mp4"
    assert file_url("https://x", "c1", "v/w", "a.mp4") == "https://x/c1/files/v/w/a.mp4"

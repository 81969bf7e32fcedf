"""The one rule of what may stay in a file name."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.file_name.name import MAX_NAME_BYTES, clean_name, without_invisible


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("clip.mp4", "clip.mp4"),
        ("  Ünïcode 日本 🎬.mp4 ", "Ünïcode 日本 🎬.mp4"),
        ("../../etc/passwd", "passwd"),
        ("C:\\films\\clip.mp4", "clip.mp4"),
        ("a/b\\c/d.txt", "d.txt"),
        (".hidden", ".hidden"),
        ("a\r\nb\0c\td\x7fe\x85f.txt", "abcdef.txt"),
        ("line\u2028and\u2029paragraph.txt", "lineandparagraph.txt"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        *(
            (f"a{chr(code)}b.txt", "ab.txt")
            for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C)
        ),
        ("\ud800a\udcff.txt", "a.txt"),
        ("نمونه\u200cها.txt", "نمونه\u200cها.txt"),  # a joiner that the word needs
        ("👩\u200d🚀.png", "👩\u200d🚀.png"),
        ("folder/\u202e", None),
        ("\u202e.\u202c.", None),
        ("..", None),
        (" ", None),
        ("", None),
        ("a/", None),
    ],
)
def test_a_name_is_one_visible_segment(sent: str, name: str | None) -> None:
    assert clean_name(sent) == name


@pytest.mark.parametrize(
    ("sent", "start", "end"),
    [
        ("x" * 1000 + ".jpeg", "x" * 250, ".jpeg"),
        ("日" * 200 + ".mp4", "日" * 83, ".mp4"),  # 249 bytes of 251: no character is cut
        ("🎬" * 64, "🎬" * 63, ""),
        ("x." + "y" * 300, "x." + "y" * 253, ""),  # so long that it is no extension
        ("." + "y" * 300, "." + "y" * 254, ""),
    ],
)
def test_a_long_name_keeps_its_extension_and_whole_characters(sent: str, start: str, end: str) -> None:
    assert clean_name(sent) == start + end


def test_a_name_may_be_bounded_more_narrowly() -> None:
    assert clean_name("x" * 10 + ".txt", max_bytes=10) == "xxxxxx.txt"


@given(st.text(max_size=400))
def test_whatever_is_sent_the_name_can_be_stored_and_shown(sent: str) -> None:
    name = clean_name(sent)
    if name is not None:
        assert 0 < len(name.encode()) <= MAX_NAME_BYTES
        assert not set(name) & set("/\\")
        assert name.strip(".")
        assert not any(
            unicodedata.bidirectional(char) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI") for char in name
        )
        assert not any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in name)


def test_other_texts_keep_their_slashes() -> None:
    assert without_invisible("AC/DC \u202elive\n") == "AC/DC live"

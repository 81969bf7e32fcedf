"""Names of published files."""

import pytest

from services.delivery.publishing.domain.name import MAX_NAME_BYTES, filled, safe_name


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("clip.mp4", "clip.mp4"),
        ("summer holiday.mp4", "summer holiday.mp4"),
        ("Ünïcode 日本.mp4", "Ünïcode 日本.mp4"),
        ("../../etc/passwd", "passwd"),
        ("C:\\films\\clip.mp4", "clip.mp4"),
        (".hidden", "hidden"),
        ("..", "file"),
        ("", "file"),
        ("a/", "file"),
        ("a\r\nb\0c.mp4", "abc.mp4"),
        ('q"<>|?*:{}.mp4', "q_________.mp4"),
        ("\u202egpj.exe", "gpj.exe"),
        ("trailing. ", "trailing"),
    ],
)
def test_a_name_is_one_harmless_segment(given: str, safe: str) -> None:
    assert safe_name(given) == safe


@pytest.mark.parametrize("given", ["x" * 500 + ".mp4", "ü" * 500 + ".mp4", "日" * 500, "x." + "y" * 500])
def test_a_long_name_is_cut_and_keeps_its_extension(given: str) -> None:
    safe = safe_name(given)
    assert len(safe.encode()) <= MAX_NAME_BYTES
    assert given[0] == safe[0]
    assert safe.endswith(".mp4") == given.endswith(".mp4")


def test_what_a_value_holds_is_not_filled_in_again() -> None:
    values = {"publication_id": "1", "file_name": "{publication_id}"}
    assert filled("{publication_id}-{file_name}", values) == "1-{publication_id}"


def test_values_may_be_encoded() -> None:
    assert filled("https://a.test/{file_name}?x", {"file_name": "a b"}, encode=lambda v: v.replace(" ", "%20")) == (
        "https://a.test/a%20b?x"
    )

"""`Range` headers against files of several sizes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.files.span import Span, UnsatisfiableRangeError, parse_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("", None),
        ("bytes=0-0", Span(0, 1, 10)),
        ("bytes=0-", Span(0, 10, 10)),
        ("bytes=3-5", Span(3, 3, 10)),
        ("bytes=9-9", Span(9, 1, 10)),
        ("bytes=9-999999999999999999", Span(9, 1, 10)),
        ("bytes=-3", Span(7, 3, 10)),
        ("bytes=-999", Span(0, 10, 10)),
        ("BYTES= 1-2 ", Span(1, 2, 10)),
        ("bytes=5-3", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=1-2,4-5", None),
        ("bytes=-1--2", None),
        ("items=0-1", None),
        ("bytes 0-1", None),
        ("bytes=٣-٤", None),
        ("bytes=" + "9" * 5000 + "-", None),
    ],
)
def test_one_range_is_cut_to_the_file_and_anything_odd_is_ignored(header: str | None, expected: Span | None) -> None:
    assert parse_range(header, 10) == expected


@pytest.mark.parametrize(("header", "total"), [("bytes=10-", 10), ("bytes=10-20", 10), ("bytes=-0", 10), ("bytes=0-", 0)])
def test_a_range_without_any_byte_cannot_be_satisfied(header: str, total: int) -> None:
    with pytest.raises(UnsatisfiableRangeError):
        parse_range(header, total)


def test_content_range_counts_from_zero_to_the_last_byte() -> None:
    assert Span(2, 3, 10).content_range == "bytes 2-4/10"


@given(st.text(alphabet="bytes=0123456789-, ", max_size=30), st.integers(0, 100))
def test_whatever_is_asked_stays_inside_the_file(header: str, total: int) -> None:
    try:
        span = parse_range(header, total)
    except UnsatisfiableRangeError:
        return
    if span is not None:
        assert span.length > 0
        assert span.start >= 0
        assert span.start + span.length <= total

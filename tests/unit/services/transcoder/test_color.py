"""What the numbers of ITU-T H.273 mean, and what is meant where a file does not say."""

import pytest

from services.transcoder.domain.color import BT709, BT2020, HLG, ICTCP, PQ, RGB, SMPTE170M, UNSPECIFIED, Color, with_defaults
from services.transcoder.domain.ladder import Size

SMALL, LARGE = Size(720, 576), Size(1280, 720)


@pytest.mark.parametrize(
    ("told", "size", "meant"),
    [
        (Color(), SMALL, Color(SMPTE170M, BT709, BT709)),
        (Color(), LARGE, Color(BT709, BT709, BT709)),
        (Color(transfer=PQ), SMALL, Color(BT2020, BT2020, PQ)),
        (Color(transfer=HLG, is_full_range=True), LARGE, Color(BT2020, BT2020, HLG, is_full_range=True)),
        (Color(primaries=BT2020), LARGE, Color(BT2020, BT2020, BT709)),
        (Color(RGB, BT709, 13, is_full_range=True), SMALL, Color(RGB, BT709, 13, is_full_range=True)),
        (Color(99, 99, 99), LARGE, Color(BT709, BT709, BT709)),
        (Color(ICTCP, UNSPECIFIED, PQ), SMALL, Color(ICTCP, BT2020, PQ)),
        (Color(ICTCP, BT709, BT709), SMALL, Color(BT2020, BT2020, BT709)),
    ],
)
def test_what_a_file_does_not_say_is_what_players_assume(told: Color, size: Size, meant: Color) -> None:
    assert with_defaults(told, size) == meant


@pytest.mark.parametrize(
    ("color", "is_converted"),
    [
        (Color(BT709, BT709, BT709), False),
        (Color(BT709, SMPTE170M, 13), False),
        (Color(BT709, BT709, BT709, is_full_range=True), True),
        (Color(SMPTE170M, BT709, BT709), True),
        (Color(BT709, 12, BT709), True),
        (Color(BT709, BT709, PQ), True),
    ],
)
def test_only_bt709_in_limited_range_stays_as_it_is(color: Color, is_converted: bool) -> None:
    assert color.is_converted is is_converted

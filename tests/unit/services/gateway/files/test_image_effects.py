"""What comes out of the operations on colours and definition, and of those that tell facts, pixel by pixel."""

from typing import Any

import pytest
import pyvips

from services.gateway.domain.image.operation import Report
from services.gateway.domain.image.parsing import parse_operations
from services.gateway.domain.image.photo_filter import LOOKS
from services.gateway.domain.image.value import Size
from tests.unit.services.gateway.files.pixels import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    RED,
    WHITE,
    Colour,
    at,
    corners,
    made,
    plain,
    quarters,
    size,
)

MUTED = (150, 120, 90)

COLOURS: list[tuple[str, Colour, Colour]] = [
    ("brightness/50/", GREY, (150, 150, 150)),
    ("brightness/-100/", MUTED, (50, 20, 0)),
    ("brightness/100/", (200, 10, 10), (255, 110, 110)),
    ("exposure/100/", GREY, (161, 161, 161)),
    ("exposure/-100/", GREY, (56, 56, 56)),
    ("exposure/500/", BLACK, BLACK),
    ("exposure/-500/", WHITE, WHITE),
    ("gamma/50/", GREY, (160, 160, 160)),
    ("gamma/200/", GREY, (39, 39, 39)),
    ("gamma/0/", BLACK, WHITE),
    ("gamma/1000/", GREY, BLACK),
    ("contrast/-100/", MUTED, (128, 128, 128)),
    ("contrast/100/", GREY, (72, 72, 72)),
    ("contrast/500/", MUTED, (255, 83, 0)),
    ("saturation/-100/", RED, (76, 76, 76)),
    ("saturation/100/", MUTED, (174, 114, 54)),
    ("saturation/500/", GREY, GREY),
    ("vibrance/500/", RED, RED),
    ("vibrance/100/", MUTED, (168, 116, 62)),
    ("vibrance/-100/", GREY, GREY),
    ("warmth/100/", GREY, (140, 100, 60)),
    ("warmth/-100/", GREY, (60, 100, 140)),
    ("grayscale/", GREEN, (150, 150, 150)),
    ("invert/", (255, 100, 0), (0, 155, 255)),
    ("invert/-/invert/", MUTED, MUTED),
]


@pytest.mark.parametrize(("operations", "before", "after"), COLOURS)
def test_colours_become_what_they_should(operations: str, before: Colour, after: Colour) -> None:
    assert at(made(operations, plain(before)), 3, 3) == pytest.approx(after, abs=1)
    translucent = made(operations, plain((*before, 77)))
    assert at(translucent, 3, 3) == pytest.approx((*after, 77), abs=1)


@pytest.mark.parametrize("name", LOOKS)
def test_a_filter_is_as_strong_as_its_amount(name: str) -> None:
    before = plain(MUTED)
    amounts = [at(made(f"filter/{name}/{amount}/", before), 3, 3) for amount in (-100, 0, 100, 200)]

    assert amounts[1] == MUTED and len(set(amounts)) == 4
    assert at(made(f"filter/{name}/", before), 3, 3) == amounts[2]
    for weakest, none, full, strongest in zip(*amounts, strict=True):
        assert sorted([weakest, none, full, strongest]) in ([weakest, none, full, strongest], [strongest, full, none, weakest])


def test_no_two_filters_look_alike() -> None:
    samples = quarters(1).insert(plain(MUTED, 1, 1), 1, 1)
    looks = {tuple(map(tuple, corners(made(f"filter/{name}/", samples)))) for name in LOOKS}

    assert len(looks) == len(LOOKS) == 40


def test_enhancing_uses_the_whole_range_of_each_colour() -> None:
    dull = plain((100, 110, 120)).insert(plain((150, 140, 130), 4, 8), 0, 0)

    full, half, none = (made(f"enhance/{strength}/", dull) for strength in (100, 50, 0))

    assert (at(full, 7, 0), at(full, 0, 0)) == (BLACK, WHITE)
    assert at(half, 0, 0) == pytest.approx((202, 198, 193), abs=1)
    assert at(none, 0, 0) == (150, 140, 130)
    assert at(made("enhance/", plain(GREY)), 0, 0) == GREY


# ---------------------------------------------------------------- definition


def spread(image: pyvips.Image) -> float:
    return float(image.extract_band(0).deviate())


EDGE = plain(BLACK, 64, 64).insert(plain(WHITE, 32, 64), 0, 0)


def test_more_strength_blurs_more() -> None:
    spreads = [spread(made(f"blur/{strength}/", EDGE)) for strength in (0, 10, 30, 40, 60, 100, 300, 5000)]

    assert spreads == sorted(spreads, reverse=True) and len(set(spreads)) == len(spreads)
    assert spreads[0] == spread(EDGE) and spreads[-1] < spreads[0] / 4
    assert spread(made("blur/", EDGE)) == spreads[1]
    assert made("blur/5000/", EDGE).avg() == pytest.approx(EDGE.avg(), abs=3)


@pytest.mark.parametrize("strength", [10, 40, 41, 100, 1000])
def test_a_blur_moves_nothing(strength: int) -> None:
    result = made(f"blur/{strength}/", EDGE)

    for x in range(32):
        assert at(result, x, 9)[0] + at(result, 63 - x, 9)[0] == pytest.approx(255, abs=4)


def test_a_blur_with_an_amount_is_mixed_or_sharpens() -> None:
    before, beside = at(EDGE, 31, 9)[0], at(made("blur/50/", EDGE), 31, 9)[0]

    assert at(made("blur/50/50/", EDGE), 31, 9)[0] == pytest.approx((before + beside) / 2, abs=1)
    assert at(made("blur/50/0/", EDGE), 31, 9)[0] == before
    soft = made("blur/30/", EDGE)
    assert spread(made("blur/30/-200/", soft)) > spread(soft)


def test_what_is_transparent_lends_no_colour_when_blurred() -> None:
    image = plain((*GREEN, 0), 16, 16).insert(plain((*RED, 255), 8, 16), 0, 0)

    assert at(made("blur/30/", image), 7, 8)[:3] == pytest.approx(RED, abs=2)


REGIONS: list[tuple[str, list[Size]]] = [
    ("blur_region/16x16/24,24/", [(31, 31)]),
    ("blur_region/16x16/24,24/100/", [(31, 31)]),
    ("blur_region/25px25p/37.5p,37.5p/", [(31, 31)]),
    ("blur_region/100px100p/0,0/", [(31, 31), (31, 2), (31, 61)]),
    ("blur_region/5000x10/0,0/", [(31, 2)]),
    ("blur_region/16x16/64,64/", []),
]


@pytest.mark.parametrize(("operations", "changed"), REGIONS)
def test_only_the_region_is_blurred(operations: str, changed: list[Size]) -> None:
    result = made(operations, EDGE)

    for place in ((31, 31), (31, 2), (31, 61)):
        assert (at(result, *place) != at(EDGE, *place)) == (place in changed)
    assert size(result) == size(EDGE)


def test_nothing_can_be_made_out_of_a_region_that_is_blurred_without_a_strength() -> None:
    stripes = plain(BLACK, 64, 64)
    for left in range(0, 64, 8):
        stripes = stripes.draw_rect(list(WHITE), left, 0, 4, 64, fill=True)

    hidden = made("blur_region/32x32/16,16/", stripes)

    assert all(abs(at(hidden, x, 30)[0] - at(hidden, x + 1, 30)[0]) < 10 for x in range(16, 47))


def test_more_strength_sharpens_more() -> None:
    soft = made("blur/30/", EDGE)
    spreads = [spread(made(f"sharp/{strength}/", soft)) for strength in (0, 5, 10, 20)]

    assert spreads == sorted(spreads) and len(set(spreads)) == 4
    assert spread(made("sharp/", soft)) == spreads[1]


# ---------------------------------------------------------------- facts


def measured(operations: str, image: pyvips.Image) -> dict[str, Any]:
    transformation = parse_operations(operations).transformation
    assert transformation.report is not None and isinstance(transformation.report.operation, Report)
    return transformation.report.operation.measure(made(operations, image), *transformation.report.values)


def test_main_colours_are_told_by_how_much_there_is_of_them() -> None:
    image = plain(BLUE, 20, 20).insert(plain(RED, 8, 20), 0, 0).insert(plain(GREEN, 3, 20), 17, 0)

    assert measured("main_colors/", image) == {"main_colors": [list(BLUE), list(RED), list(GREEN)]}
    assert len(measured("main_colors/2/", image)["main_colors"]) == 2
    assert measured("crop/2x2/-/main_colors/1/", image) == {"main_colors": [list(RED)]}
    assert measured("main_colors/1/", plain((*RED, 0))) == {"main_colors": [list(WHITE)]}
    assert measured("json/", image) == {}

"""Sizes of renditions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.transcoder.domain.ladder import Size, fit_picture, ladder, mp4, shown_size

SIDES = st.integers(min_value=1, max_value=8192)


@pytest.mark.parametrize(
    ("size", "heights"),
    [
        (Size(3840, 2160), [1080, 720, 480, 360, 240]),
        (Size(1280, 720), [720, 480, 360, 240]),
        (Size(1080, 1920), [1080, 720, 480, 360, 240]),
        (Size(641, 363), [360, 240]),
        (Size(320, 240), [240]),
        (Size(160, 121), [120]),
        (Size(1, 1), [2]),
    ],
)
def test_ladder_has_the_usual_heights_that_the_source_has_or_its_own(size: Size, heights: list[int]) -> None:
    assert [rung.size.height for rung in ladder(size)] == heights
    assert [rung.name for rung in ladder(size)] == [f"{height}p" for height in heights]


@pytest.mark.parametrize(
    ("size", "expected"),
    [(Size(3840, 2160), Size(1920, 1080)), (Size(2160, 3840), Size(1080, 1920)), (Size(641, 363), Size(640, 362)),
     (Size(2560, 1080), Size(1920, 810)), (Size(320, 240), Size(320, 240))],
)  # fmt: skip
def test_mp4_is_at_most_1080p_and_even(size: Size, expected: Size) -> None:
    assert mp4(size).size == expected


@given(SIDES, SIDES)
def test_no_rendition_is_larger_than_the_source(width: int, height: int) -> None:
    for rung in (mp4(Size(width, height)), *ladder(Size(width, height))):
        assert rung.size.width <= max(2, width)
        assert rung.size.height <= max(2, height)
        assert rung.size.width % 2 == rung.size.height % 2 == 0
        assert rung.size.width <= 4096
    picture = fit_picture(Size(width, height), 512)
    assert 1 <= picture.width <= min(512, width)
    assert 1 <= picture.height <= min(512, height)


def test_rotation_and_pixel_shape_give_the_shown_size() -> None:
    assert shown_size(1920, 1080, rotation=90) == Size(1080, 1920)
    assert shown_size(1920, 1080, rotation=180) == Size(1920, 1080)
    assert shown_size(720, 576, pixel_ratio=16 / 15) == Size(720, 540)
    assert shown_size(720, 480, pixel_ratio=8 / 9) == Size(640, 480)

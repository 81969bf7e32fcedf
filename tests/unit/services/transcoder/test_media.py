"""Frame rates and posters."""

from fractions import Fraction

import pytest

from services.transcoder.domain.media import choose_poster_time, rendition_rate


@pytest.mark.parametrize(
    ("nominal", "frames", "seconds", "rate"),
    [
        (Fraction(25), 250, 10, Fraction(25)),
        (Fraction(30000, 1001), 300, 10, Fraction(30000, 1001)),
        (Fraction(1, 10), 4, 40, Fraction(5)),
        (Fraction(120000, 1001), 1200, 10, Fraction(60000, 1001)),
        (Fraction(240), 240, 1, Fraction(60)),
        (Fraction(1000), 50, 10, Fraction(1000, 17)),
        (Fraction(25), 1, 0.04, Fraction(25)),
        (Fraction(25), 1, 60, Fraction(5)),
        (Fraction(25), 1, 0, Fraction(25)),
    ],
)
def test_renditions_have_between_5_and_60_frames_per_second(
    nominal: Fraction, frames: int, seconds: float, rate: Fraction
) -> None:
    assert rendition_rate(nominal, frames, seconds) == rate


@pytest.mark.parametrize(
    ("times", "seconds", "chosen"),
    [
        ([0, 0.04, 0.08, 0.12], 0.9, 0.08),
        ([0.12, 0, 0.08, 0.04], 0.9, 0.08),
        ([0, 10, 20], 40, 0),
        ([0, 2.9, 600], 3600, 2.9),
        ([0.5], 0.04, 0.5),
        ([], 10, 0),
    ],
)
def test_the_poster_is_the_frame_nearest_to_a_tenth_of_the_film(times: list[float], seconds: float, chosen: float) -> None:
    assert choose_poster_time(times, seconds) == chosen

"""What could not be made is remembered, but neither for ever nor without bounds."""

import pytest

from services.gateway.files.image import ImageError, NotAnImageError
from services.gateway.files.refusal import MOST, SECONDS, Refusals


def test_a_refusal_is_repeated_until_its_time_is_over() -> None:
    now = [1000.0]
    refusals = Refusals(lambda: now[0])
    refusals.remember("a", NotAnImageError("no"))

    refusals.check("b")
    with pytest.raises(NotAnImageError, match="no"):
        refusals.check("a")
    now[0] += SECONDS
    refusals.check("a")


def test_the_oldest_refusals_are_forgotten_first() -> None:
    refusals = Refusals()
    for number in range(MOST + 1):
        refusals.remember(str(number), ImageError("no"))

    refusals.check("0")
    with pytest.raises(ImageError):
        refusals.check("1")

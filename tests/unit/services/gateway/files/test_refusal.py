"""What could not be made is remembered, but neither for ever nor without bounds."""

import pytest

from services.gateway.files.image import ImageError, NotAnImageError
from services.gateway.files.refusal import MOST, SECONDS, Refusals


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr("services.gateway.files.refusal.time.monotonic", lambda: now[0])
    return now


def test_a_refusal_is_repeated_until_its_time_is_over(clock: list[float]) -> None:
    refusals = Refusals()
    refusals.remember("a", NotAnImageError("no"))

    refusals.check("b")
    with pytest.raises(NotAnImageError, match="no"):
        refusals.check("a")
    clock[0] += SECONDS
    refusals.check("a")


def test_the_oldest_refusals_are_forgotten_first(clock: list[float]) -> None:
    refusals = Refusals()
    for number in range(MOST + 1):
        refusals.remember(str(number), ImageError("no"))

    refusals.check("0")
    with pytest.raises(ImageError):
        refusals.check("1")

from datetime import timedelta

import pytest

from libs.messaging.port import Reject, Retry
from libs.messaging.retry import TIERS, next_pause, reason


def test_each_failure_waits_one_tier_longer_and_the_fifth_is_final() -> None:
    pauses = [next_pause(ValueError(), attempt) for attempt in range(1, 6)]
    assert pauses == [*TIERS, None]


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        (timedelta(0), TIERS[0]),
        (timedelta(seconds=5), TIERS[0]),
        (timedelta(seconds=6), TIERS[1]),
        (timedelta(days=1), TIERS[-1]),
    ],
)
def test_a_retry_is_rounded_up_to_the_next_tier(asked: timedelta, given: timedelta) -> None:
    assert next_pause(Retry(asked, "later"), 1) == given


def test_a_retry_counts_as_an_attempt() -> None:
    assert next_pause(Retry(timedelta(seconds=1), "later"), len(TIERS) + 1) is None


def test_a_rejection_is_final_at_once() -> None:
    assert next_pause(Reject("no"), 1) is None


def test_reasons_are_short_and_say_what_went_wrong() -> None:
    assert reason(Reject("no use")) == "no use"
    assert reason(ValueError("x" * 10_000)).startswith("ValueError: xxx")
    assert len(reason(ValueError("x" * 10_000))) == 500

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.delivery.domain.schedule import STANDARD_SECONDS, Schedule, retry_after_seconds
from services.delivery.settings import Settings

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


def test_the_standard_schedule_makes_ten_attempts_in_three_days() -> None:
    assert len(STANDARD_SECONDS) == 10
    assert sum(STANDARD_SECONDS) == 75 * 3600 + 35 * 60 + 5


@given(st.integers(min_value=1, max_value=9))
def test_pauses_vary_by_a_tenth(attempts: int) -> None:
    base = STANDARD_SECONDS[attempts]
    shortest, longest = Schedule(uniform=min).pause_after(attempts), Schedule(uniform=max).pause_after(attempts)
    assert shortest == pytest.approx(0.9 * base)
    assert longest == pytest.approx(1.1 * base)
    pause = Schedule().pause_after(attempts)
    assert pause is not None
    assert 0.9 * base <= pause <= 1.1 * base


def test_after_the_last_attempt_there_is_no_pause() -> None:
    assert Schedule().pause_after(10) is None
    assert Schedule().pause_after(10, asked_seconds=5) is None


@pytest.mark.parametrize(("asked", "pause"), [(0, 300), (300, 300), (450, 450), (600, 600), (86400, 600), (-5, 300)])
def test_what_the_receiver_asks_for_is_honoured_between_once_and_twice_the_pause(asked: float, pause: float) -> None:
    assert Schedule().pause_after(2, asked_seconds=asked) == pause


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("120", 120),
        (" 120 ", 120),
        ("Sat, 21 Nov 2026 12:02:00 GMT", 120),
        ("Sat, 21 Nov 2026 11:00:00 GMT", -3600),
        ("soon", None),
        ("-1", None),
        ("", None),
        ("1" * 400, float("inf")),
        ("Sat, 21 Nov 99999999999999999999 12:02:00 GMT", None),
        ("Sat, 99 Nov 2026 12:02:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(value, NOW) == seconds


@given(st.text())
@example("0\x1f")
def test_whatever_a_receiver_writes_retry_after_does_not_fail(value: str) -> None:
    retry_after_seconds(value, NOW)


def test_the_schedule_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGSHORE_DELIVERY_SCHEDULE_SECONDS", "0, 0.5,1")
    assert Settings().delivery_schedule_seconds == (0, 0.5, 1)
    assert Settings(delivery_schedule_seconds=(0, 2)).delivery_schedule_seconds == (0, 2)


def test_an_empty_schedule_in_the_environment_is_none_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGSHORE_DELIVERY_SCHEDULE_SECONDS", "")
    assert Settings().delivery_schedule_seconds == STANDARD_SECONDS


@pytest.mark.parametrize("text", [",", "5", "0,-1", "0,soon"])
def test_a_schedule_that_makes_no_sense_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("LONGSHORE_DELIVERY_SCHEDULE_SECONDS", text)
    with pytest.raises(ValidationError):
        Settings()

"""Pauses before another attempt."""

from libs.jobs.retry import OWN_FAILURES, RetryPolicy


def test_a_source_is_asked_again_after_longer_and_longer_pauses() -> None:
    retries = RetryPolicy.growing(2, factor=3, count=3)
    assert [retries.pause_seconds(failures) for failures in (1, 2, 3, 4)] == [2, 6, 18, None]


def test_a_policy_without_pauses_allows_no_second_attempt() -> None:
    assert RetryPolicy.growing(2, factor=3, count=0).pause_seconds(1) is None


def test_our_own_servers_are_waited_for_a_minute_at_most() -> None:
    assert [OWN_FAILURES.pause_seconds(failures) for failures in (1, 2, 3, 6, 7, 10_000)] == [1, 2, 4, 32, 60, 60]

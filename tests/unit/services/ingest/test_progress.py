"""U-31: how often a running fetch is reported."""

from services.ingest.domain.progress import Progress


def test_the_first_bytes_are_reported_at_once() -> None:
    assert not Progress(total_bytes=100).is_due(0)
    assert Progress(total_bytes=1000, done_bytes=1).is_due(0)
    assert Progress(total_bytes=None, done_bytes=1).is_due(0)


def test_nothing_is_reported_without_news_or_twice_in_a_second() -> None:
    progress = Progress(total_bytes=100, done_bytes=50)
    progress.reported(10)
    assert not progress.is_due(1000)
    progress.done_bytes = 90
    assert not progress.is_due(10.9)
    assert progress.is_due(11)


def test_a_small_step_is_reported_after_a_while() -> None:
    progress = Progress(total_bytes=100_000, done_bytes=50)
    progress.reported(10)
    progress.done_bytes = 51
    assert not progress.is_due(14)
    assert progress.is_due(15)


def test_an_attempt_that_starts_again_is_silent_until_it_is_further() -> None:
    progress = Progress(total_bytes=100, done_bytes=60, reported_bytes=80)
    assert not progress.is_due(1000)
    progress.reported(0)
    assert progress.reported_bytes == 80
    progress.done_bytes = 90
    assert progress.is_due(1000)

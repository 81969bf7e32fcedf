"""The pauses of a loop that nobody tells of work."""

from libs.jobs.worker import POLL_SECONDS
from libs.runtime.poll import Poll


def test_pauses_grow_to_the_longest_and_are_short_again_after_work() -> None:
    poll = Poll(0.5, 3)
    assert [poll.next_pause() for _ in range(5)] == [0.5, 1, 2, 3, 3]
    poll.restart()
    assert poll.next_pause() == 0.5


def test_work_that_becomes_due_later_is_found_before_twice_its_time_has_passed() -> None:
    for due in (0.3, 1, 2.4, 7, 9.9):
        poll, now = Poll(0.2, 10), 0.0
        while now < due:
            now += poll.next_pause()
        assert now <= 2 * due + 0.2


def test_without_a_longest_pause_it_is_ten_times_the_first() -> None:
    poll = Poll(1)
    assert [poll.next_pause() for _ in range(6)][-1] == 10


def test_a_worker_without_work_finds_what_another_process_has_no_slot_for_within_ten_seconds() -> None:
    poll = Poll(POLL_SECONDS)
    assert max(poll.next_pause() for _ in range(10)) <= 10

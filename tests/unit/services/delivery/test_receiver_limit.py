from services.delivery.domain.receiver_limit import FORGOTTEN_SECONDS, OPENS_AFTER, ReceiverLimits, Reply

HIGHEST = 64


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def replies(limits: ReceiverLimits, reply: Reply, count: int, *, seconds: float = 0.01, running: int = HIGHEST) -> None:
    for _ in range(count):
        limits.learn("a", reply, seconds, running)


def test_the_limit_begins_at_four_and_doubles_with_each_round_of_quick_answers() -> None:
    limits = ReceiverLimits(HIGHEST, Clock())
    assert limits.limit("a") == 4
    replies(limits, "good", 4)
    assert limits.limit("a") == 8
    replies(limits, "good", 1000)
    assert limits.limit("a") == HIGHEST
    assert limits.limit("b") == 4


def test_a_limit_that_is_not_used_does_not_grow() -> None:
    limits = ReceiverLimits(HIGHEST, Clock())
    replies(limits, "good", 100, running=1)
    assert limits.limit("a") == 4


def test_answers_that_come_slower_and_slower_end_the_growth() -> None:
    limits = ReceiverLimits(HIGHEST, Clock())
    replies(limits, "good", 4, seconds=0.01)
    replies(limits, "good", 20, seconds=0.5)
    assert limits.limit("a") == 8


def test_errors_of_the_receiver_end_the_growth_and_cost_nothing() -> None:
    limits = ReceiverLimits(HIGHEST, Clock())
    replies(limits, "bad", 20)
    assert limits.limit("a") == 4


def test_a_receiver_that_asks_for_less_is_halved_once_for_all_that_were_under_way_and_grows_slowly_afterwards() -> None:
    clock = Clock()
    limits = ReceiverLimits(HIGHEST, clock)
    replies(limits, "good", 28)
    assert limits.limit("a") == 32
    clock.now = 10
    replies(limits, "throttled", 16, seconds=1)
    assert limits.limit("a") == 16
    clock.now = 20
    replies(limits, "throttled", 1, seconds=1)
    assert limits.limit("a") == 8
    replies(limits, "good", 8)
    assert limits.limit("a") == 8, "nearly one more for a round of answers"
    replies(limits, "good", 2)
    assert limits.limit("a") == 9


def test_a_receiver_that_is_not_reached_is_halved_each_time_down_to_one() -> None:
    limits = ReceiverLimits(HIGHEST, Clock())
    seen = []
    for _ in range(OPENS_AFTER - 1):
        replies(limits, "unreachable", 1)
        seen.append(limits.limit("a"))
    assert seen == [2, 1, 1, 1]
    assert limits.is_failing("a")
    replies(limits, "good", 1)
    assert not limits.is_failing("a")
    replies(limits, "good", 100)
    assert limits.limit("a") > 4


def test_after_five_failures_in_a_row_a_receiver_pauses_ever_longer() -> None:
    clock = Clock()
    limits = ReceiverLimits(HIGHEST, clock)
    replies(limits, "unreachable", OPENS_AFTER - 1)
    pauses = []
    for _ in range(9):
        replies(limits, "unreachable", 1)
        start = clock.now
        while limits.limit("a") == 0:
            clock.now += 1
        assert limits.limit("a") == 1, "its next try"
        pauses.append(clock.now - start)
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_what_was_under_way_when_a_pause_began_does_not_make_it_longer() -> None:
    clock = Clock()
    limits = ReceiverLimits(HIGHEST, clock)
    replies(limits, "unreachable", 64)
    clock.now = 5
    assert limits.limit("a") == 1


def test_only_receivers_that_answer_within_a_second_are_prompt() -> None:
    limits = ReceiverLimits(HIGHEST, Clock())
    assert not limits.is_prompt("a"), "never called"
    replies(limits, "good", 1, seconds=0.2)
    assert limits.is_prompt("a")
    replies(limits, "bad", 20, seconds=2)
    assert not limits.is_prompt("a"), "slow by now"
    replies(limits, "good", 20, seconds=0.2)
    replies(limits, "unreachable", 1)
    assert not limits.is_prompt("a"), "failing"


def test_receivers_that_nobody_calls_any_more_are_forgotten() -> None:
    clock = Clock()
    limits = ReceiverLimits(HIGHEST, clock)
    replies(limits, "unreachable", OPENS_AFTER)
    clock.now = FORGOTTEN_SECONDS + 1
    limits.learn("b", "good", 0.1, 1)
    assert not limits.is_failing("a")
    assert limits.limit("a") == 4


def test_a_lower_setting_is_the_limit_from_the_beginning() -> None:
    limits = ReceiverLimits(2, Clock())
    replies(limits, "good", 50)
    assert limits.limit("a") == 2

from services.delivery.domain.breaker import FORGOTTEN_SECONDS, OPENS_AFTER, Breaker


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_receiver_has_all_places_until_it_fails() -> None:
    breaker = Breaker(4, Clock())
    assert (breaker.places("a"), breaker.failing()) == (4, [])
    breaker.failed("a")
    assert (breaker.places("a"), breaker.failing()) == (1, ["a"])
    assert breaker.places("b") == 4


def test_an_answer_gives_all_places_back() -> None:
    breaker = Breaker(4, Clock())
    for _ in range(OPENS_AFTER):
        breaker.failed("a")
    breaker.answered("a")
    assert (breaker.places("a"), breaker.failing()) == (4, [])


def test_after_five_failures_in_a_row_a_receiver_pauses_ever_longer() -> None:
    clock = Clock()
    breaker = Breaker(4, clock)
    for _ in range(OPENS_AFTER - 1):
        breaker.failed("a")
    assert breaker.places("a") == 1
    pauses = []
    for _ in range(9):
        breaker.failed("a")
        start = clock.now
        while breaker.places("a") == 0:
            clock.now += 1
        assert breaker.places("a") == 1, "its next try"
        pauses.append(clock.now - start)
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_receivers_that_nobody_calls_any_more_are_forgotten() -> None:
    clock = Clock()
    breaker = Breaker(4, clock)
    breaker.failed("a")
    clock.now = FORGOTTEN_SECONDS + 1
    assert (breaker.failing(), breaker.places("a")) == ([], 4)

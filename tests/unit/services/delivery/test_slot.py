from collections import Counter
from uuid import UUID

from contracts.ids import TenantId
from services.delivery.domain.receiver_limit import ReceiverLimits
from services.delivery.domain.slot import Queue, share_slots

HIGHEST = 64
SLOTS = 100


def tenant(number: int) -> TenantId:
    return TenantId(UUID(int=number))


def queue(receiver: str, number: int = 1) -> Queue:
    return Queue(tenant(number), receiver)


def known(*, prompt: tuple[str, ...] = (), failing: tuple[str, ...] = ()) -> ReceiverLimits:
    """Limits of receivers that have grown to the highest, and of such that were not reached at the last attempt."""
    limits = ReceiverLimits(HIGHEST, lambda: 0.0)
    for name in prompt:
        for _ in range(HIGHEST):
            limits.learn(name, "good", 0.01, HIGHEST)
    for name in failing:
        limits.learn(name, "unreachable", 15, 1)
    return limits


def test_a_receiver_gets_what_its_limit_leaves() -> None:
    limits = known(prompt=("good",))
    assert share_slots([queue("good"), queue("new")], {}, limits, SLOTS) == {queue("good"): HIGHEST, queue("new"): 4}
    assert share_slots([queue("good")], {queue("good"): 40}, limits, SLOTS) == {queue("good"): 24}


def test_tenants_of_one_receiver_share_its_limit() -> None:
    shares = share_slots([queue("good", 1), queue("good", 2)], {}, known(prompt=("good",)), SLOTS)
    assert set(shares.values()) == {HIGHEST // 2}


def test_a_receiver_is_refilled_a_quarter_at_a_time() -> None:
    limits = known(prompt=("good",))
    assert share_slots([queue("good")], {queue("good"): 49}, limits, SLOTS) == {}
    assert share_slots([queue("good")], {queue("good"): 48}, limits, SLOTS) == {queue("good"): 16}


def test_no_more_is_granted_than_is_free() -> None:
    names = [f"r{number}" for number in range(10)]
    shares = share_slots([queue(name) for name in names], {queue("other"): 80}, known(prompt=tuple(names)), SLOTS)
    assert sum(shares.values()) == 20
    assert set(shares.values()) == {2}, "its receivers take turns"


def test_tenants_take_turns_however_many_receivers_each_has() -> None:
    names = [f"r{number}" for number in range(50)]
    queues = [*(queue(name, 1) for name in names), queue("own", 2)]
    shares = share_slots(queues, {queue("other", 1): 60}, known(prompt=(*names, "own", "other")), SLOTS)
    by_tenant = Counter({number: sum(n for q, n in shares.items() if q.tenant_id == tenant(number)) for number in (1, 2)})
    assert by_tenant == {1: 0, 2: 40}, "the one that had nothing goes first until both have the same"


def test_receivers_that_are_not_known_have_three_quarters_of_the_slots_and_few_of_them_more_than_one() -> None:
    queues = [queue(f"unknown{number}") for number in range(200)]
    shares = share_slots(queues, {}, known(), SLOTS)
    assert sum(shares.values()) == SLOTS * 3 // 4
    assert set(shares.values()) == {1}
    few = share_slots(queues[:10], {}, known(), SLOTS)
    assert sum(few.values()) == SLOTS // 4


def test_receivers_that_hang_leave_slots_for_those_that_answer() -> None:
    hanging = {queue(f"hanging{number}"): 1 for number in range(75)}
    shares = share_slots([*hanging, queue("new"), queue("good")], hanging, known(prompt=("good",)), SLOTS)
    assert shares == {queue("good"): 25}


def test_a_new_receiver_goes_before_the_retries_of_failing_ones() -> None:
    failing = tuple(f"failing{number}" for number in range(75))
    running = {queue(name): 1 for name in failing[:25]}
    shares = share_slots([*map(queue, failing), queue("new")], running, known(failing=failing), SLOTS)
    assert shares == {queue("new"): 1}


def test_one_slot_is_used_by_whoever_comes() -> None:
    assert share_slots([queue("new")], {}, known(), 1) == {queue("new"): 1}
    assert share_slots([queue("bad")], {}, known(failing=("bad",)), 1) == {queue("bad"): 1}

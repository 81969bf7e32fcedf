"""Which queues of due webhooks get how many of the free slots.

Tenants take turns, and within a tenant its receivers do: whoever has the fewest webhooks on their way is next. A receiver has
at most its own limit. Those that are not known to answer promptly, because they were never called, are slow, or fail, have only
a part of all slots together; so many receivers that hang cannot keep webhooks from those that answer. The first webhook to a
receiver that does not fail goes ahead of everything else of this kind: that is how one gets to be known.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Final

from contracts.ids import TenantId
from services.delivery.domain.receiver_limit import ReceiverLimits

FIRST_SHARE: Final = 0.75
"""Of all slots: how far first webhooks to receivers go that are not known to be prompt."""
FURTHER_SHARE: Final = 0.25
"""The same for their further webhooks, and for receivers that fail."""
FURTHER_LEAST: Final = 8
REFILL_SHARE: Final = 0.25
"""A queue is claimed from when so much of its receiver's limit is free: in a few larger claims instead of one for each."""


@dataclass(frozen=True)
class Queue:
    """The due webhooks of one tenant to one receiver."""

    tenant_id: TenantId
    receiver: str


def share_slots(
    queues: Iterable[Queue], running: Mapping[Queue, int], limits: ReceiverLimits, slots: int
) -> Mapping[Queue, int]:
    """How many webhooks of each of `queues` may start now, beside those that are `running` in `slots`."""
    sharing = _Sharing(running, limits, slots)
    candidates = [queue for queue in queues if sharing.wants_refill(queue.receiver)]
    sharing.grant([queue for queue in candidates if not limits.is_failing(queue.receiver)])
    sharing.grant([queue for queue in candidates if limits.is_failing(queue.receiver)])
    return sharing.granted


class _Sharing:
    def __init__(self, running: Mapping[Queue, int], limits: ReceiverLimits, slots: int) -> None:
        self._running = running
        self._limits = limits
        self._slots = slots
        self._free = slots - sum(running.values())
        self._by_receiver: Counter[str] = Counter()
        self._by_tenant: Counter[TenantId] = Counter()
        for queue, count in running.items():
            self._by_receiver[queue.receiver] += count
            self._by_tenant[queue.tenant_id] += count
        self._not_prompt = sum(count for name, count in self._by_receiver.items() if not limits.is_prompt(name))
        self.granted: Counter[Queue] = Counter()

    def wants_refill(self, receiver: str) -> bool:
        limit = self._limits.limit(receiver)
        return limit - self._by_receiver[receiver] >= max(1, int(limit * REFILL_SHARE))

    def grant(self, queues: Iterable[Queue]) -> None:
        turns: dict[TenantId, list[tuple[int, int, Queue]]] = defaultdict(list)
        for number, queue in enumerate(queues):
            turns[queue.tenant_id].append((self._running.get(queue, 0), number, queue))
        tenants = [(self._by_tenant[tenant], number, tenant) for number, tenant in enumerate(turns)]
        heapify(tenants)
        for waiting in turns.values():
            heapify(waiting)
        while tenants and self._free > 0:
            count, number, tenant = heappop(tenants)
            if self._grant_one(turns[tenant]):
                heappush(tenants, (count + 1, number, tenant))

    def _grant_one(self, turns: list[tuple[int, int, Queue]]) -> bool:
        """False where none of the tenant's queues may have another slot."""
        while turns:
            count, number, queue = heappop(turns)
            if not self._may_start(queue.receiver):
                continue  # nor may it later: nothing becomes free meanwhile
            self._take(queue)
            heappush(turns, (count + 1, number, queue))
            return True
        return False

    def _may_start(self, receiver: str) -> bool:
        running = self._by_receiver[receiver]
        if running >= self._limits.limit(receiver):
            return False
        if self._limits.is_prompt(receiver):
            return True
        if running == 0 and not self._limits.is_failing(receiver):
            return self._not_prompt < max(1, self._slots * FIRST_SHARE)
        return self._not_prompt < max(FURTHER_LEAST, self._slots * FURTHER_SHARE)

    def _take(self, queue: Queue) -> None:
        self.granted[queue] += 1
        self._free -= 1
        self._by_receiver[queue.receiver] += 1
        self._by_tenant[queue.tenant_id] += 1
        self._not_prompt += not self._limits.is_prompt(queue.receiver)

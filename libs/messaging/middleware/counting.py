"""How many messages were handled, retried, rejected or failed."""

from collections import Counter
from collections.abc import Sequence

import prometheus_client

from libs.messaging.port import Deliver, Delivery, Outcome, Reject, Retry

CONSUMED = prometheus_client.Counter("longshore_consumed", "Messages by what became of them.", ["service", "type", "outcome"])


def counted(service: str, deliver: Deliver) -> Deliver:
    async def around(deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        outcomes = await deliver(deliveries)
        types = (delivery.envelope.type for delivery in deliveries)
        counts = Counter(zip(types, map(word, outcomes), strict=True))
        for (event_type, became), count in counts.items():
            CONSUMED.labels(service, event_type, became).inc(count)
        return outcomes

    return around


def word(outcome: Outcome) -> str:
    match outcome:
        case None:
            return "handled"
        case Retry():
            return "retry"
        case Reject():
            return "rejected"
        case _:
            return "failed"

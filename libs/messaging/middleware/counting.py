"""How many messages were handled, retried, rejected or failed."""

from collections.abc import Sequence

from prometheus_client import Counter

from libs.messaging.port import Deliver, Delivery, Outcome, Reject, Retry

CONSUMED = Counter("longshore_consumed", "Messages by what became of them.", ["service", "type", "outcome"])


def counted(service: str, deliver: Deliver) -> Deliver:
    async def around(deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        outcomes = await deliver(deliveries)
        for delivery, outcome in zip(deliveries, outcomes, strict=True):
            CONSUMED.labels(service, delivery.envelope.type, word(outcome)).inc()
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

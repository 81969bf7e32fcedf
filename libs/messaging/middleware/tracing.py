"""A span for each batch. What its handlers emit belongs to the traces of the messages that caused it (`UnitOfWork.emit`)."""

from collections.abc import Sequence

from opentelemetry.trace import SpanKind

from libs.messaging.port import Deliver, Delivery, Outcome
from libs.observability.tracing import span


def traced(service: str, deliver: Deliver) -> Deliver:
    async def around(deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        parent = deliveries[0].envelope.traceparent if len(deliveries) == 1 else None
        with span(f"{service} batch", headers={"traceparent": parent} if parent else None, kind=SpanKind.CONSUMER):
            return await deliver(deliveries)

    return around

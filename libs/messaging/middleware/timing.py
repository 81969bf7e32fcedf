"""How long batches take, by service."""

from collections.abc import Sequence

from prometheus_client import Histogram

from libs.messaging.port import Deliver, Delivery, Outcome

SECONDS = Histogram(
    "longshore_batch_seconds",
    "Time from a batch of messages to its outcomes, with the commit.",
    ["service"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30),
)
SIZE = Histogram("longshore_batch_size", "Messages in a batch.", ["service"], buckets=(1, 2, 5, 10, 20, 50, 100, 200, 300))


def timed(service: str, deliver: Deliver) -> Deliver:
    seconds, size = SECONDS.labels(service), SIZE.labels(service)

    async def around(deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        size.observe(len(deliveries))
        with seconds.time():
            return await deliver(deliveries)

    return around

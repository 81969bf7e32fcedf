"""How long handlers take, by service and event type."""

from prometheus_client import Histogram

from libs.messaging.message import Handle, Message
from libs.outbox.unit_of_work import UnitOfWork

SECONDS = Histogram(
    "longshore_handler_seconds",
    "Time inside the handler of one message, without the commit.",
    ["service", "type"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
)


def timed(service: str, handle: Handle) -> Handle:
    async def within(message: Message, work: UnitOfWork) -> None:
        with SECONDS.labels(service, message.envelope.type).time():
            await handle(message, work)

    return within

"""Continues the trace of whoever caused the message."""

from opentelemetry.trace import SpanKind

from libs.messaging.message import Handle, Message
from libs.observability.tracing import span
from libs.outbox.unit_of_work import UnitOfWork


def traced(service: str, handle: Handle) -> Handle:
    async def within(message: Message, work: UnitOfWork) -> None:
        parent = message.envelope.traceparent
        headers = {"traceparent": parent} if parent else None
        with span(f"{service} {message.envelope.type}", headers=headers, kind=SpanKind.CONSUMER):
            await handle(message, work)

    return within

"""One line for each message that was not handled, with what is needed to find it again."""

from collections.abc import Sequence

import structlog

from libs.messaging.port import Deliver, Delivery, Outcome, Reject, Retry

log = structlog.get_logger()


def logged(service: str, deliver: Deliver) -> Deliver:
    async def around(deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        outcomes = await deliver(deliveries)
        for delivery, outcome in zip(deliveries, outcomes, strict=True):
            if outcome is not None:
                report(service, delivery, outcome)
        return outcomes

    return around


def report(service: str, delivery: Delivery, outcome: Exception) -> None:
    about = log.bind(
        service=service,
        type=delivery.envelope.type,
        event_id=str(delivery.envelope.id),
        subject=delivery.envelope.subject,
        attempt=delivery.attempt,
        trace_id=delivery.envelope.correlation_id,
    )
    match outcome:
        case Retry():
            about.info("message.retry", reason=outcome.reason, delay_seconds=outcome.delay.total_seconds())
        case Reject():
            about.error("message.rejected", reason=outcome.reason)
        case _:
            about.warning("message.failed", error=type(outcome).__name__, exc_info=outcome)

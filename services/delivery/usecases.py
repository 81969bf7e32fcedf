"""What all events that lead to a webhook do with it."""

from datetime import UTC, datetime

from contracts.events import DeliveryChanged
from libs.observability.tracing import current_traceparent
from libs.outbox.unit_of_work import UnitOfWork
from services.delivery.domain.webhook import WEBHOOKS, Webhook
from services.delivery.store import DeliveryStore


async def send(webhook: Webhook, work: UnitOfWork) -> None:
    """It is due from the commit on. Nothing where it is known already."""
    if await DeliveryStore(work.connection).add_webhook(webhook):
        now = datetime.now(UTC)
        work.emit(DeliveryChanged(
            delivery_id=webhook.id, upload_id=webhook.upload_id, tenant_id=webhook.tenant_id,
            endpoint_id=webhook.endpoint_id, event=webhook.event, target=webhook.receiver,
            status="pending", attempts=0, next_attempt_at=now, changed_at=now,
        ))  # fmt: skip
        work.wake(WEBHOOKS)


def traceparent_of(work: UnitOfWork) -> str | None:
    """Of the request that led to what is handled."""
    return current_traceparent() or (work.cause.traceparent if work.cause else None)

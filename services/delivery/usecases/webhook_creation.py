"""What all events that lead to webhooks do with them."""

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.envelope import Envelope
from contracts.events import DeliveryChanged
from libs.outbox.unit_of_work import UnitOfWork
from services.delivery.domain.webhook import WEBHOOKS, Webhook
from services.delivery.store import DeliveryStore


@dataclass(frozen=True)
class Caused:
    """A webhook, and the message that led to it."""

    webhook: Webhook
    cause: Envelope


async def send(webhooks: Sequence[Caused], work: UnitOfWork) -> None:
    """They are due from the commit on. Nothing for those that are known already."""
    if not webhooks:
        return
    by_id = {caused.webhook.id: caused for caused in webhooks}
    added = await DeliveryStore(work.connection).add_webhooks([caused.webhook for caused in by_id.values()])
    for webhook_id, due_at in added.items():
        webhook, cause = by_id[webhook_id].webhook, by_id[webhook_id].cause
        work.emit(
            DeliveryChanged(
                delivery_id=webhook.id, upload_id=webhook.upload_id, tenant_id=webhook.tenant_id,
                endpoint_id=webhook.endpoint_id, event=webhook.event, target=webhook.receiver,
                status="pending", attempts=0, next_attempt_at=due_at, changed_at=due_at,
            ),
            cause=cause,
        )  # fmt: skip
    if added:
        work.wake(WEBHOOKS)

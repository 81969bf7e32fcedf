"""Events in: endpoints, what they are told, and what is to be sent to them once more."""

from datetime import UTC, datetime, timedelta
from typing import Final

from contracts.events import (
    PublicationChanged,
    UploadEvent,
    WebhookEndpointConfigured,
    WebhookPingRequested,
    WebhookReplayRequested,
)
from contracts.ids import DeliveryId, UploadId, told_id
from contracts.webhook import NAMES
from libs.messaging.port import Retry
from libs.outbox.unit_of_work import UnitOfWork
from libs.runtime.service import Handlers
from services.delivery.domain.endpoint import REPLAYS, Endpoint
from services.delivery.domain.webhook import WEBHOOKS, Webhook, receiver_of
from services.delivery.endpoints.formats import Message, written
from services.delivery.endpoints.news import TOLD, news_of
from services.delivery.endpoints.store import EndpointStore
from services.delivery.usecases import send, traceparent_of

PING: Final = "ping"
UNKNOWN_PAUSE: Final = timedelta(seconds=5)


async def on_webhook_endpoint_configured(event: WebhookEndpointConfigured, work: UnitOfWork) -> None:
    await EndpointStore(work.connection).keep(event, receiver_of(event.url))


async def on_news(event: UploadEvent | PublicationChanged, work: UnitOfWork) -> None:
    """One webhook for each endpoint that listens for it and did so when it happened, whatever comes again."""
    news = news_of(event)
    if news is None:
        return
    happened_at = work.cause.time if work.cause else datetime.now(UTC)
    for endpoint in await EndpointStore(work.connection).listening(event.tenant_id, news.name, happened_at):
        name = NAMES[endpoint.format].get(news.name)
        if name is not None:
            message = Message(told_id(event.event_id, endpoint.id), name, happened_at, news.data)
            await send(_webhook(message, endpoint, event.upload_id, work), work)


async def on_webhook_ping_requested(event: WebhookPingRequested, work: UnitOfWork) -> None:
    """Raises Retry where its endpoint is not known yet."""
    endpoint = await EndpointStore(work.connection).find(event.endpoint_id)
    if endpoint is None:
        raise Retry(UNKNOWN_PAUSE, "the endpoint is not known yet")
    happened_at = work.cause.time if work.cause else datetime.now(UTC)
    message = Message(DeliveryId(event.delivery_id), PING, happened_at, {"endpoint_id": str(endpoint.id)})
    await send(_webhook(message, endpoint, None, work), work)


async def on_webhook_replay_requested(event: WebhookReplayRequested, work: UnitOfWork) -> None:
    """One is due at once; all that failed become so a batch at a time, see `jobs`."""
    store = EndpointStore(work.connection)
    if event.delivery_id is not None:
        for replayed in await store.replay_one(event.endpoint_id, event.delivery_id):
            work.emit(replayed)
        work.wake(WEBHOOKS)
    elif event.since is not None:
        await store.add_replay(event.replay_id, event.endpoint_id, event.since)
        work.wake(REPLAYS)


def _webhook(message: Message, endpoint: Endpoint, upload_id: UploadId | None, work: UnitOfWork) -> Webhook:
    return Webhook(
        id=message.id, upload_id=upload_id, tenant_id=endpoint.tenant_id, url=endpoint.url, receiver=endpoint.receiver,
        body=written(message, endpoint.format), traceparent=traceparent_of(work), format=endpoint.format,
        endpoint_id=endpoint.id, event=message.event,
    )  # fmt: skip


HANDLERS: Handlers = {
    WebhookEndpointConfigured: on_webhook_endpoint_configured,
    WebhookPingRequested: on_webhook_ping_requested,
    WebhookReplayRequested: on_webhook_replay_requested,
    **dict.fromkeys(TOLD, on_news),
}

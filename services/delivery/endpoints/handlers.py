"""Events in: endpoints, what they are told, and what is to be sent to them once more."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
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
from libs.messaging.handler import Handlers, one_by_one
from libs.messaging.message import Message
from libs.messaging.port import Retry
from libs.outbox.unit_of_work import UnitOfWork
from services.delivery.domain.endpoint import REPLAYS, Endpoint
from services.delivery.domain.webhook import WEBHOOKS, Webhook, receiver_of
from services.delivery.endpoints.formats import WebhookMessage, written
from services.delivery.endpoints.news import TOLD, news_of
from services.delivery.endpoints.store import EndpointStore
from services.delivery.usecases.webhook_creation import Caused, send

PING: Final = "ping"
UNKNOWN_PAUSE: Final = timedelta(seconds=5)


async def on_webhook_endpoint_configured(event: WebhookEndpointConfigured, work: UnitOfWork) -> None:
    await EndpointStore(work.connection).upsert(event, receiver_of(event.url))


async def on_news(messages: Sequence[Message[UploadEvent | PublicationChanged]], work: UnitOfWork) -> None:
    """One webhook for each endpoint that listens for it and did so when it happened, whatever comes again."""
    endpoints = await EndpointStore(work.connection).listening({message.event.tenant_id for message in messages})
    if endpoints:
        await send([told for message in messages for told in _told(message, endpoints)], work)


async def on_webhook_pings_requested(messages: Sequence[Message[WebhookPingRequested]], work: UnitOfWork) -> None:
    """Raises Retry where an endpoint is not known yet."""
    endpoints = await EndpointStore(work.connection).find({message.event.endpoint_id for message in messages})
    if not all(message.event.endpoint_id in endpoints for message in messages):
        raise Retry(UNKNOWN_PAUSE, "the endpoint is not known yet")
    await send([_ping(message, endpoints[message.event.endpoint_id]) for message in messages], work)


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


HANDLERS: Handlers = {
    one_by_one(on_webhook_endpoint_configured): (WebhookEndpointConfigured,),
    on_webhook_pings_requested: (WebhookPingRequested,),
    one_by_one(on_webhook_replay_requested): (WebhookReplayRequested,),
    on_news: tuple(TOLD),
}


def _told(message: Message[UploadEvent | PublicationChanged], endpoints: Iterable[Endpoint]) -> Iterable[Caused]:
    """What the event means for the endpoints of its tenant."""
    event, happened_at = message.event, message.envelope.time
    news = news_of(event)
    if news is None:
        return
    for endpoint in endpoints:
        name = NAMES[endpoint.format].get(news.name)
        if name is not None and endpoint.tenant_id == event.tenant_id and endpoint.listens_for(news.name, happened_at):
            told = WebhookMessage(told_id(event.event_id, endpoint.id), name, happened_at, news.data)
            yield _caused(told, endpoint, event.upload_id, message)


def _ping(message: Message[WebhookPingRequested], endpoint: Endpoint) -> Caused:
    data = {"endpoint_id": str(endpoint.id)}
    ping = WebhookMessage(DeliveryId(message.event.delivery_id), PING, message.envelope.time, data)
    return _caused(ping, endpoint, None, message)


def _caused(
    told: WebhookMessage,
    endpoint: Endpoint,
    upload_id: UploadId | None,
    message: Message[UploadEvent | PublicationChanged | WebhookPingRequested],
) -> Caused:
    webhook = Webhook(
        id=told.id, upload_id=upload_id, tenant_id=endpoint.tenant_id, url=endpoint.url, receiver=endpoint.receiver,
        body=written(told, endpoint.format), traceparent=message.envelope.traceparent, format=endpoint.format,
        endpoint_id=endpoint.id, event=told.event,
    )  # fmt: skip
    return Caused(webhook, message.envelope)

"""Events in. Each adds what it says to the upload; the one that makes it complete creates the webhook."""

from collections.abc import Sequence
from typing import Any

import orjson

from contracts.envelope import Envelope
from contracts.events import (
    ProcessingCompleted,
    ProcessingFailed,
    TenantConfigured,
    UploadAborted,
    UploadCompleted,
    UploadEvent,
    UploadExpired,
    UploadRegistered,
    UploadRejected,
    WebhookRequested,
)
from contracts.ids import DeliveryId, UploadId
from libs.messaging.handler import Handlers, one_by_one
from libs.messaging.message import Message
from libs.outbox.unit_of_work import UnitOfWork
from services.delivery.domain.outcome import Outcome, Upload
from services.delivery.domain.webhook import WEBHOOKS, Webhook, receiver_of, webhook_id
from services.delivery.endpoints.handlers import HANDLERS as TELLING
from services.delivery.formats import FORMATS
from services.delivery.publishing.handlers import HANDLERS as PUBLISHING
from services.delivery.store import DeliveryStore
from services.delivery.usecases.webhook_creation import Caused, send


async def on_tenant_configured(event: TenantConfigured, work: UnitOfWork) -> None:
    """Webhooks of the tenant that had to wait for its secret go out now."""
    await DeliveryStore(work.connection).save_secret(event.tenant_id, event.revision, event.webhook_secret_encrypted)
    work.wake(WEBHOOKS)


async def on_upload_events(messages: Sequence[Message[UploadEvent]], work: UnitOfWork) -> None:
    """Adds what they say; an upload's callback is due when nothing that it shows is missing any more, whatever comes again."""
    last = {message.event.upload_id: message.envelope for message in messages}
    known = await DeliveryStore(work.connection).upsert_uploads(_folded(messages))
    await send([_callback(upload, last[upload.upload_id]) for upload in known if upload.is_complete], work)


async def on_webhooks_requested(messages: Sequence[Message[WebhookRequested]], work: UnitOfWork) -> None:
    await send([Caused(_requested(message), message.envelope) for message in messages], work)


CALLING_BACK: Handlers = {
    one_by_one(on_tenant_configured): (TenantConfigured,),
    on_upload_events: (
        UploadRegistered,
        UploadCompleted,
        UploadRejected,
        UploadAborted,
        UploadExpired,
        ProcessingCompleted,
        ProcessingFailed,
    ),
    on_webhooks_requested: (WebhookRequested,),
}

HANDLERS: Handlers = {**CALLING_BACK, **PUBLISHING, **TELLING}


def _folded(messages: Sequence[Message[UploadEvent]]) -> list[Upload]:
    """What all messages together say of each upload; of two that say the same the first counts."""
    folded: dict[UploadId, Upload] = {}
    for message in messages:
        if said := _said(message):
            before = folded.get(message.event.upload_id)
            folded[message.event.upload_id] = before.merged(said) if before else said
    return list(folded.values())


def _said(message: Message[UploadEvent]) -> Upload | None:
    """What one of the events tells of its upload; None where that is nothing."""
    event = message.event
    facts: dict[str, Any]
    match event:
        case UploadRegistered():
            if event.callback is None:
                return None
            facts = {"callback": event.callback}
        case UploadCompleted():
            facts = {"size_bytes": event.object.size_bytes}
        case ProcessingCompleted():
            facts = {"mime_type": event.mime_type, "outcome": _outcome(message, "ready", renditions=event.renditions)}
        case ProcessingFailed():
            facts = {"mime_type": event.mime_type, "outcome": _failure(message, "processing_failed", event)}
        case UploadRejected():
            facts = {"outcome": _failure(message, "rejected", event)}
        case UploadAborted():
            facts = {"outcome": _outcome(message, "aborted")}
        case _:
            facts = {"outcome": _outcome(message, "expired")}
    return Upload(upload_id=event.upload_id, tenant_id=event.tenant_id, **facts)


def _failure(message: Message[UploadEvent], state: str, event: UploadRejected | ProcessingFailed) -> Outcome:
    return _outcome(message, state, error_code=event.code, error_message=event.message)


def _outcome(message: Message[UploadEvent], state: Any, **facts: Any) -> Outcome:
    return Outcome(state=state, version=message.event.version, ended_at=message.envelope.time, **facts)


def _callback(upload: Upload, cause: Envelope) -> Caused:
    callback = upload.callback
    assert callback is not None
    webhook = Webhook(
        id=webhook_id(upload.upload_id, "callback"), upload_id=upload.upload_id, tenant_id=upload.tenant_id, url=callback.url,
        receiver=receiver_of(callback.url), body=orjson.dumps(FORMATS[callback.format](upload)), traceparent=cause.traceparent,
    )  # fmt: skip
    return Caused(webhook, cause)


def _requested(message: Message[WebhookRequested]) -> Webhook:
    event = message.event
    return Webhook(
        id=DeliveryId(event.webhook_id), upload_id=event.upload_id, tenant_id=event.tenant_id, url=event.url,
        receiver=receiver_of(event.url), body=event.body.encode(), traceparent=message.envelope.traceparent,
        format=event.format, sealed_secret=event.secret_encrypted,
    )  # fmt: skip

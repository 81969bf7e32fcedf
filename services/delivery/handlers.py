"""Events in. Each adds what it says to the upload; the one that makes it complete creates the webhook."""

from datetime import UTC, datetime

import orjson

from contracts.events import (
    Event,
    ProcessingCompleted,
    ProcessingFailed,
    TenantConfigured,
    UploadAborted,
    UploadCompleted,
    UploadExpired,
    UploadRegistered,
    UploadRejected,
    WebhookRequested,
)
from contracts.ids import DeliveryId
from libs.outbox.unit_of_work import UnitOfWork
from libs.runtime.service import Handler, Handlers
from services.delivery.domain.outcome import Outcome, Upload
from services.delivery.domain.webhook import WEBHOOKS, Webhook, receiver_of, webhook_id
from services.delivery.endpoints.handlers import HANDLERS as TELLING
from services.delivery.formats import FORMATS
from services.delivery.publishing.handlers import HANDLERS as PUBLISHING
from services.delivery.store import DeliveryStore
from services.delivery.usecases import send, traceparent_of


async def on_tenant_configured(event: TenantConfigured, work: UnitOfWork) -> None:
    """Webhooks of the tenant that had to wait for its secret go out now."""
    await DeliveryStore(work.connection).keep_secret(event.tenant_id, event.revision, event.webhook_secret_encrypted)
    work.wake(WEBHOOKS)


async def on_upload_registered(event: UploadRegistered, work: UnitOfWork) -> None:
    if event.callback is not None:
        store = DeliveryStore(work.connection)
        await announce(await store.learn(event.upload_id, event.tenant_id, callback=event.callback), work)


async def on_upload_completed(event: UploadCompleted, work: UnitOfWork) -> None:
    store = DeliveryStore(work.connection)
    await announce(await store.learn(event.upload_id, event.tenant_id, size_bytes=event.object.size_bytes), work)


async def on_upload_rejected(event: UploadRejected, work: UnitOfWork) -> None:
    await _end(event, Outcome(
        state="rejected", version=event.version, ended_at=_now(work), error_code=event.code, error_message=event.message,
    ), work)  # fmt: skip


async def on_upload_aborted(event: UploadAborted, work: UnitOfWork) -> None:
    await _end(event, Outcome(state="aborted", version=event.version, ended_at=_now(work)), work)


async def on_upload_expired(event: UploadExpired, work: UnitOfWork) -> None:
    await _end(event, Outcome(state="expired", version=event.version, ended_at=_now(work)), work)


async def on_processing_completed(event: ProcessingCompleted, work: UnitOfWork) -> None:
    outcome = Outcome(state="ready", version=event.version, ended_at=_now(work), renditions=event.renditions)
    await _end(event, outcome, work, mime_type=event.mime_type)


async def on_processing_failed(event: ProcessingFailed, work: UnitOfWork) -> None:
    outcome = Outcome(
        state="processing_failed",
        version=event.version,
        ended_at=_now(work),
        error_code=event.code,
        error_message=event.message,
    )
    await _end(event, outcome, work, mime_type=event.mime_type)


async def on_webhook_requested(event: WebhookRequested, work: UnitOfWork) -> None:
    await send(Webhook(
        id=DeliveryId(event.webhook_id), upload_id=event.upload_id, tenant_id=event.tenant_id, url=event.url,
        receiver=receiver_of(event.url), body=event.body.encode(), traceparent=traceparent_of(work), format=event.format,
        sealed_secret=event.secret_encrypted,
    ), work)  # fmt: skip


async def announce(upload: Upload, work: UnitOfWork) -> None:
    """Creates the upload's webhook when nothing is missing any more; exactly once, whatever comes again."""
    if not upload.is_complete or upload.callback is None:
        return
    callback = upload.callback
    await send(Webhook(
        id=webhook_id(upload.upload_id, "callback"), upload_id=upload.upload_id, tenant_id=upload.tenant_id, url=callback.url,
        receiver=receiver_of(callback.url), body=orjson.dumps(FORMATS[callback.format](upload)),
        traceparent=traceparent_of(work),
    ), work)  # fmt: skip


async def _end(
    event: UploadRejected | UploadAborted | UploadExpired | ProcessingCompleted | ProcessingFailed,
    outcome: Outcome,
    work: UnitOfWork,
    *,
    mime_type: str | None = None,
) -> None:
    store = DeliveryStore(work.connection)
    await announce(await store.learn(event.upload_id, event.tenant_id, outcome=outcome, mime_type=mime_type), work)


def _now(work: UnitOfWork) -> datetime:
    """When the event happened."""
    return work.cause.time if work.cause else datetime.now(UTC)


def _together(*tables: Handlers) -> Handlers:
    """One table; an event that several of them name is handled by each."""

    def handler(event_type: type[Event]) -> Handler:
        handlers = [table[event_type] for table in tables if event_type in table]

        async def handle(event: Event, work: UnitOfWork) -> None:
            for each in handlers:
                await each(event, work)

        return handlers[0] if len(handlers) == 1 else handle

    return {event_type: handler(event_type) for table in tables for event_type in table}


ANNOUNCING: Handlers = {
    TenantConfigured: on_tenant_configured,
    UploadRegistered: on_upload_registered,
    UploadCompleted: on_upload_completed,
    UploadRejected: on_upload_rejected,
    UploadAborted: on_upload_aborted,
    UploadExpired: on_upload_expired,
    ProcessingCompleted: on_processing_completed,
    ProcessingFailed: on_processing_failed,
    WebhookRequested: on_webhook_requested,
}

HANDLERS: Handlers = _together(ANNOUNCING, PUBLISHING, TELLING)

"""Events in: which objects are awaited, and which no longer."""

from contracts.events import (
    FileDeleted,
    FileExpired,
    UploadAborted,
    UploadCompleted,
    UploadEvent,
    UploadExpired,
    UploadRegistered,
    UploadRejected,
)
from libs.outbox.unit_of_work import UnitOfWork
from libs.runtime.service import Handlers
from services.storage_notification.store import NotificationStore

NOTICES = "notices"
"""The wake-up of the loop that looks at kept notices."""


async def on_upload_registered(event: UploadRegistered, work: UnitOfWork) -> None:
    traceparent = work.cause.traceparent if work.cause else None
    store = NotificationStore(work.connection)
    if await store.expect(event.upload_id, event.tenant_id, event.staging_key, event.deadline_at, traceparent):
        work.wake(NOTICES)


async def on_upload_ended(event: UploadEvent, work: UnitOfWork) -> None:
    await NotificationStore(work.connection).close(event.upload_id, event.tenant_id)


HANDLERS: Handlers = {
    UploadRegistered: on_upload_registered,
    UploadCompleted: on_upload_ended,
    UploadRejected: on_upload_ended,
    UploadAborted: on_upload_ended,
    UploadExpired: on_upload_ended,
    FileExpired: on_upload_ended,
    FileDeleted: on_upload_ended,
}

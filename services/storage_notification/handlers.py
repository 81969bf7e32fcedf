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
from services.storage_notification.usecases import NOTICES


async def on_upload_registered(event: UploadRegistered, work: UnitOfWork) -> None:
    traceparent = work.cause.traceparent if work.cause else None
    store = NotificationStore(work.connection)
    await store.expect(event.upload_id, event.tenant_id, event.staging_key, event.deadline_at, traceparent)
    # Whether a notice is there is not asked here: one that is being kept at this moment would not be seen. Both sides wake
    # the loop after their commits, so whichever is the later one finds the other.
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

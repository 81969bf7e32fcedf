"""Events in: which objects are awaited, which are said to be there, and which are awaited no longer."""

from datetime import timedelta

from contracts.events import (
    FetchCompleted,
    FileDeleted,
    FileExpired,
    UploadAborted,
    UploadCompleted,
    UploadEvent,
    UploadExpired,
    UploadFinishRequested,
    UploadRegistered,
    UploadRejected,
)
from libs.outbox.unit_of_work import UnitOfWork
from libs.runtime.service import Handlers
from services.storage_notification.store import NotificationStore
from services.storage_notification.usecases import NOTICES

AT_ONCE = timedelta(0)


async def on_upload_registered(event: UploadRegistered, work: UnitOfWork) -> None:
    traceparent = work.cause.traceparent if work.cause else None
    store = NotificationStore(work.connection)
    hinted = await store.expect(event.upload_id, event.tenant_id, event.staging_key, event.deadline_at, traceparent)
    if hinted or event.transfer == "streamed":
        await store.keep_notices([event.staging_key], AT_ONCE)
    # Whether a notice is there is not asked here: one that is being kept at this moment would not be seen. Both sides wake
    # the loop after their commits, so whichever is the later one finds the other.
    work.wake(NOTICES)


async def on_bytes_sent(event: UploadEvent, work: UnitOfWork) -> None:
    """As good as a notice of the store, which may have none to send: it is looked at as soon as its key is known."""
    store = NotificationStore(work.connection)
    if key := await store.hint(event.upload_id, event.tenant_id):
        await store.keep_notices([key], AT_ONCE)
        work.wake(NOTICES)


async def on_upload_ended(event: UploadEvent, work: UnitOfWork) -> None:
    await NotificationStore(work.connection).close(event.upload_id, event.tenant_id)


HANDLERS: Handlers = {
    UploadRegistered: on_upload_registered,
    UploadFinishRequested: on_bytes_sent,
    FetchCompleted: on_bytes_sent,
    UploadCompleted: on_upload_ended,
    UploadRejected: on_upload_ended,
    UploadAborted: on_upload_ended,
    UploadExpired: on_upload_ended,
    FileExpired: on_upload_ended,
    FileDeleted: on_upload_ended,
}

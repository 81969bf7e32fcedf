"""Events in: what is to be fetched, and what no longer; what is watched, and what became of the files found there."""

from contracts.events import (
    FetchCompleted,
    FetchRequested,
    FileDeleted,
    FileExpired,
    Stage,
    UploadAborted,
    UploadCompleted,
    UploadEvent,
    UploadExpired,
    UploadRejected,
    WatchFolderConfigured,
)
from libs.outbox.unit_of_work import UnitOfWork, envelop
from libs.runtime.service import Handlers
from services.ingest.domain.fetch import FETCHES
from services.ingest.domain.watch import CLEARING, WATCH
from services.ingest.store import IngestStore, WatchStore


async def on_fetch_requested(event: FetchRequested, work: UnitOfWork) -> None:
    envelope = work.cause or envelop(event, source=work.source)
    await IngestStore(work.connection).request(envelope, event.tenant_id)
    work.wake(FETCHES)


async def on_upload_completed(event: UploadCompleted, work: UnitOfWork) -> None:
    """A worker brought the bytes and did not live to say so: they are not fetched again."""
    await _decide(event, None, work)
    found = await IngestStore(work.connection).complete_stored(event.upload_id)
    if found is not None:
        work.emit(FetchCompleted(
            upload_id=event.upload_id, tenant_id=event.tenant_id, version=Stage.REGISTERED,
            size_bytes=event.object.size_bytes, file_name=found.file_name, content_type=found.content_type,
        ))  # fmt: skip


async def on_upload_ended(event: UploadAborted | UploadExpired | UploadRejected, work: UnitOfWork) -> None:
    await IngestStore(work.connection).forbid(event.upload_id, event.tenant_id)
    await _decide(event, _reason(event), work)


async def on_file_removed(event: FileDeleted | FileExpired, work: UnitOfWork) -> None:
    """There was a file, so its fetch had been heard of."""
    await IngestStore(work.connection).cancel(event.upload_id)


async def on_watch_folder_configured(event: WatchFolderConfigured, work: UnitOfWork) -> None:
    await WatchStore(work.connection).configure(event)
    work.wake(WATCH)


async def _decide(event: UploadEvent, reason: str | None, work: UnitOfWork) -> None:
    if await WatchStore(work.connection).decide(event.upload_id, reason):
        work.wake(CLEARING)


def _reason(event: UploadAborted | UploadExpired | UploadRejected) -> str:
    match event:
        case UploadRejected():
            return f"{event.code}: {event.message}"
        case UploadAborted(reason="storage_blocked"):
            return "storage_blocked: the storage of this account is blocked"
        case UploadAborted():
            return "aborted: the upload was given up"
        case UploadExpired():
            return "expired: the file did not arrive in time"


HANDLERS: Handlers = {
    WatchFolderConfigured: on_watch_folder_configured,
    FetchRequested: on_fetch_requested,
    UploadCompleted: on_upload_completed,
    UploadAborted: on_upload_ended,
    UploadExpired: on_upload_ended,
    UploadRejected: on_upload_ended,
    FileDeleted: on_file_removed,
    FileExpired: on_file_removed,
}

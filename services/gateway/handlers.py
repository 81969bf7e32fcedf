"""The projection: every event, in any order and any number of times, makes the same picture of its upload.

The row is there since the registration. Which of two events is newer is decided in `store.projection`. A handler after which
there may be something to tell to a project's webhooks answers that project, see `usecases.news`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from contracts.events import (
    AccountConfigured,
    DeliveryChanged,
    Event,
    FetchCompleted,
    FetchFailed,
    FetchProgressed,
    FetchRequested,
    FileDeleted,
    FileDeleteRequested,
    FileExpired,
    FileInspected,
    FileRetentionChanged,
    ObjectStored,
    ProcessingCompleted,
    ProcessingFailed,
    ProcessingProgressed,
    PublicationChanged,
    PublicationRequested,
    Stage,
    TenantConfigured,
    UploadAborted,
    UploadAbortRequested,
    UploadCompleted,
    UploadEvent,
    UploadExpired,
    UploadFinishRequested,
    UploadRegistered,
    UploadRejected,
    WatchedFileFound,
    WatchFolderConfigured,
    WebhookEndpointConfigured,
    WebhookEndpointDisabled,
    WebhookPingRequested,
    WebhookReplayRequested,
    WebhookRequested,
)
from libs.outbox.unit_of_work import UnitOfWork
from services.gateway.domain.account import shown_id
from services.gateway.domain.project import ProjectId
from services.gateway.domain.registration import MAX_UPLOAD_BYTES
from services.gateway.domain.timeline import TimelineEntry
from services.gateway.domain.upload import State
from services.gateway.store import DeliveryLogStore, ProjectionStore, WebhookEndpointStore
from services.gateway.usecases.news import Projector
from services.gateway.usecases.publish import change_publication, fail_publications
from services.gateway.usecases.watched_file import register_watched


def _entry(event: Event, work: UnitOfWork, version: int, **summary: Any) -> TimelineEntry:
    """The timeline's line about `event`; `summary` is chosen field by field, for events carry keys and addresses."""
    occurred_at = work.cause.time if work.cause else datetime.now(UTC)
    return TimelineEntry(event.event_id, event.type, version, occurred_at, summary)


async def on_known_here(_event: Event, _work: UnitOfWork) -> None:
    """Nothing to learn: this service's own tables said it first, or nobody asks for it."""


async def on_noted(event: UploadEvent, work: UnitOfWork) -> None:
    await ProjectionStore(work.connection).note(event.upload_id, _entry(event, work, event.version))


async def on_upload_registered(event: UploadRegistered, work: UnitOfWork) -> None:
    summary = {"dialect": event.dialect, "content_type": event.constraints.content_type}
    await ProjectionStore(work.connection).note(event.upload_id, _entry(event, work, event.version, **summary))


async def on_upload_abort_requested(event: UploadAbortRequested, work: UnitOfWork) -> None:
    await ProjectionStore(work.connection).note(event.upload_id, _entry(event, work, event.version, reason=event.reason))


async def on_file_retention_changed(event: FileRetentionChanged, work: UnitOfWork) -> None:
    store = ProjectionStore(work.connection)
    await store.retention(event.upload_id, event.revision, event.file_expires_at)
    await store.note(event.upload_id, _entry(event, work, event.version, file_expires_at=event.file_expires_at))


async def on_fetch_progressed(event: FetchProgressed, work: UnitOfWork) -> None:
    """Not in the timeline: it is a state of the moment."""
    await ProjectionStore(work.connection).fetching(event.upload_id, event.done_bytes, event.total_bytes)


async def on_fetch_completed(event: FetchCompleted, work: UnitOfWork) -> None:
    store = ProjectionStore(work.connection)
    await store.fetched(event.upload_id, event.size_bytes, event.file_name, event.content_type)
    await store.note(event.upload_id, _entry(event, work, event.version, size_bytes=event.size_bytes))


async def on_fetch_failed(event: FetchFailed, work: UnitOfWork) -> None:
    await ProjectionStore(work.connection).note(event.upload_id, _entry(event, work, event.version, code=event.code))


async def on_watched_file_found(event: WatchedFileFound, work: UnitOfWork, *, max_size_bytes: int = MAX_UPLOAD_BYTES) -> None:
    await register_watched(work, event, datetime.now(UTC), max_size_bytes=max_size_bytes)


async def on_object_stored(event: ObjectStored, work: UnitOfWork) -> None:
    store = ProjectionStore(work.connection)
    summary = {"size_bytes": event.object.size_bytes, "noticed_by": event.noticed_by}
    await store.stored(event.upload_id, event.object.stored_at)
    await store.advance(event.upload_id, _entry(event, work, event.version, **summary), State.STORED)


async def on_upload_completed(event: UploadCompleted, work: UnitOfWork) -> ProjectId | None:
    store = ProjectionStore(work.connection)
    given_up, project_id = await store.completed(
        event.upload_id,
        size_bytes=event.object.size_bytes,
        etag=event.object.etag,
        content_type=event.object.content_type,
        completed_at=event.completed_at,
    )
    summary = {"size_bytes": event.object.size_bytes, "content_type": event.object.content_type}
    await store.advance(event.upload_id, _entry(event, work, event.version, **summary), State.COMPLETED)
    if given_up:  # its abort came too late: the file is there now, and nobody wants it
        work.emit(FileDeleteRequested(upload_id=event.upload_id, tenant_id=event.tenant_id, version=Stage.REMOVED))
    return project_id


async def on_upload_rejected(event: UploadRejected, work: UnitOfWork) -> ProjectId | None:
    entry = _entry(event, work, event.version, code=event.code, message=event.message)
    project_id = await ProjectionStore(work.connection).advance(
        event.upload_id, entry, State.REJECTED, error=(event.code, event.message)
    )
    await fail_publications(work, event.upload_id, "upload_rejected", f"The upload was rejected: {event.code}.")
    return project_id


async def on_upload_aborted(event: UploadAborted, work: UnitOfWork) -> None:
    entry = _entry(event, work, event.version, reason=event.reason)
    await ProjectionStore(work.connection).advance(event.upload_id, entry, State.ABORTED)
    await fail_publications(work, event.upload_id, "upload_aborted", "The upload was aborted.")


async def on_upload_expired(event: UploadExpired, work: UnitOfWork) -> None:
    await ProjectionStore(work.connection).advance(event.upload_id, _entry(event, work, event.version), State.EXPIRED)
    await fail_publications(work, event.upload_id, "upload_expired", "The upload expired before its file arrived.")


async def on_file_expired(event: FileExpired, work: UnitOfWork) -> ProjectId | None:
    return await ProjectionStore(work.connection).advance(
        event.upload_id, _entry(event, work, event.version), State.FILE_EXPIRED
    )


async def on_file_deleted(event: FileDeleted, work: UnitOfWork) -> ProjectId | None:
    return await ProjectionStore(work.connection).advance(event.upload_id, _entry(event, work, event.version), State.DELETED)


async def on_file_inspected(event: FileInspected, work: UnitOfWork) -> ProjectId | None:
    store = ProjectionStore(work.connection)
    image = event.image.model_dump(mode="json") if event.image else None
    media = event.media.model_dump(mode="json") if event.media else None
    project_id = await store.inspected(event.upload_id, event.mime_type, image, media)
    await store.advance(event.upload_id, _entry(event, work, event.version, mime_type=event.mime_type), State.PROCESSING)
    return project_id


async def on_processing_progressed(event: ProcessingProgressed, work: UnitOfWork) -> None:
    """Not in the timeline: it is a state of the moment."""
    await ProjectionStore(work.connection).progressed(event.upload_id, event.percent)


async def on_processing_completed(event: ProcessingCompleted, work: UnitOfWork) -> None:
    store = ProjectionStore(work.connection)
    await store.renditions(event.upload_id, [rendition.model_dump(mode="json") for rendition in event.renditions])
    entry = _entry(event, work, event.version, renditions=[rendition.name for rendition in event.renditions])
    await store.advance(event.upload_id, entry, State.READY)


async def on_processing_failed(event: ProcessingFailed, work: UnitOfWork) -> ProjectId | None:
    entry = _entry(event, work, event.version, code=event.code, message=event.message)
    return await ProjectionStore(work.connection).advance(
        event.upload_id, entry, State.PROCESSING_FAILED, error=(event.code, event.message)
    )


async def on_delivery_changed(event: DeliveryChanged, work: UnitOfWork) -> None:
    store = ProjectionStore(work.connection)
    await store.delivery(event)
    if event.endpoint_id is not None and event.status != "pending":
        await DeliveryLogStore(work.connection).add_attempt(event)
    if event.upload_id is not None:
        summary = {"target": event.target, "status": event.status, "attempts": event.attempts}
        await store.note(event.upload_id, _entry(event, work, Stage.PROCESSED, **summary))


async def on_webhook_endpoint_disabled(event: WebhookEndpointDisabled, work: UnitOfWork) -> None:
    """Nothing where its owner has changed its mind, or its address, since."""
    store = WebhookEndpointStore(work.connection)
    endpoint = await store.find(event.tenant_id, event.endpoint_id, lock=True)
    if endpoint is not None and endpoint.enabled and endpoint.generation == event.generation:
        disabled = endpoint.given_up(event.reason, event.disabled_at, datetime.now(UTC))
        await store.update(disabled)
        work.emit(disabled.configured())


async def on_publication_requested(event: PublicationRequested, work: UnitOfWork) -> None:
    entry = _entry(event, work, event.version, accounts=len(event.account_ids), due_at=event.due_at)
    await ProjectionStore(work.connection).note(event.upload_id, entry)


async def on_publication_changed(event: PublicationChanged, work: UnitOfWork) -> None:
    await change_publication(work, event)
    summary = {
        "account_id": shown_id(event.account_id),
        "status": event.status,
        "attempts": event.attempts,
        "code": event.error_code,
    }
    await ProjectionStore(work.connection).note(event.upload_id, _entry(event, work, Stage.PROCESSED, **summary))


HANDLERS: Final[Mapping[type[Event], Projector]] = {
    TenantConfigured: on_known_here,
    UploadRegistered: on_upload_registered,
    UploadFinishRequested: on_noted,
    UploadAbortRequested: on_upload_abort_requested,
    FileDeleteRequested: on_noted,
    FileRetentionChanged: on_file_retention_changed,
    FetchRequested: on_noted,
    WebhookRequested: on_known_here,
    AccountConfigured: on_known_here,
    PublicationRequested: on_publication_requested,
    WatchFolderConfigured: on_known_here,
    WatchedFileFound: on_watched_file_found,
    WebhookEndpointConfigured: on_known_here,
    WebhookReplayRequested: on_known_here,
    WebhookPingRequested: on_known_here,
    FetchProgressed: on_fetch_progressed,
    FetchCompleted: on_fetch_completed,
    FetchFailed: on_fetch_failed,
    ObjectStored: on_object_stored,
    UploadCompleted: on_upload_completed,
    UploadRejected: on_upload_rejected,
    UploadAborted: on_upload_aborted,
    UploadExpired: on_upload_expired,
    FileExpired: on_file_expired,
    FileDeleted: on_file_deleted,
    FileInspected: on_file_inspected,
    ProcessingProgressed: on_processing_progressed,
    ProcessingCompleted: on_processing_completed,
    ProcessingFailed: on_processing_failed,
    DeliveryChanged: on_delivery_changed,
    PublicationChanged: on_publication_changed,
    WebhookEndpointDisabled: on_webhook_endpoint_disabled,
}


def handlers(max_upload_bytes: int) -> Mapping[type[Event], Projector]:
    """`HANDLERS` with this installation's limit."""
    return {**HANDLERS, WatchedFileFound: partial(on_watched_file_found, max_size_bytes=max_upload_bytes)}

"""The projection: every event, in any order and any number of times, makes the same picture of its upload.

The row is there since the registration. What an event says of an upload is a rule of `domain.projection`, its line of the
timeline one of `domain.timeline`; of all that a batch says of one upload a single change is made. After that the projects'
webhooks are told what there is to tell, see `usecases.news`.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

from contracts.events import (
    DeliveryChanged,
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
    StreamStarted,
    UploadAborted,
    UploadAbortRequested,
    UploadCompleted,
    UploadEvent,
    UploadExpired,
    UploadFinishRequested,
    UploadRejected,
    WatchedFileFound,
    WebhookEndpointDisabled,
)
from contracts.ids import UploadId
from libs.messaging.handler import Handlers, one_by_one
from libs.messaging.message import Message
from libs.outbox.unit_of_work import UnitOfWork
from services.gateway.domain.projection import UploadChange, change_of
from services.gateway.domain.registration import MAX_UPLOAD_BYTES
from services.gateway.domain.timeline import entry_of
from services.gateway.store import DeliveryLogStore, ProjectionStore, WebhookEndpointStore
from services.gateway.store.projection import Projected
from services.gateway.usecases.news import Announcer
from services.gateway.usecases.publish import change_publication, fail_publications
from services.gateway.usecases.watched_file import register_watched

UPLOAD_EVENTS: Final = (
    UploadFinishRequested, UploadAbortRequested, FileDeleteRequested, FileRetentionChanged, FetchRequested, FetchProgressed,
    FetchCompleted, FetchFailed, ObjectStored, UploadCompleted, UploadRejected, UploadAborted, UploadExpired, FileExpired,
    FileDeleted, FileInspected, ProcessingProgressed, StreamStarted, ProcessingCompleted, ProcessingFailed,
    PublicationRequested,
)  # fmt: skip


async def project_uploads(
    messages: Sequence[Message[UploadEvent]], work: UnitOfWork, *, announcer: Announcer | None = None
) -> None:
    """Adds what they say to the uploads and their timelines, each upload once, and does what follows from it."""
    store = ProjectionStore(work.connection)
    await note(messages, work)
    projected = await store.change(_folded(messages))
    for message in messages:
        event = message.event
        # Its abort came too late: the file is there now, and nobody wants it.
        if isinstance(event, UploadCompleted) and event.upload_id in projected and projected[event.upload_id].is_given_up:
            work.emit(
                FileDeleteRequested(upload_id=event.upload_id, tenant_id=event.tenant_id, version=Stage.REMOVED),
                cause=message.envelope,
            )
    await _fail_publications(messages, work)
    if announcer is not None:
        await announcer.tell_of([(m, projected[m.event.upload_id]) for m in messages if _is_to_tell(m, projected)], work)


async def note(messages: Sequence[Message[UploadEvent | DeliveryChanged | PublicationChanged]], work: UnitOfWork) -> None:
    """The lines of the timelines about these events."""
    noted = [(message.event.upload_id, entry_of(message.event, message.envelope.time)) for message in messages]
    await ProjectionStore(work.connection).note([(key, entry) for key, entry in noted if key is not None and entry is not None])


async def on_deliveries_changed(messages: Sequence[Message[DeliveryChanged]], work: UnitOfWork) -> None:
    events = [message.event for message in messages]
    await ProjectionStore(work.connection).deliveries(events)
    await DeliveryLogStore(work.connection).add_attempts(
        [event for event in events if event.endpoint_id is not None and event.status != "pending"]
    )


async def on_publication_changed(event: PublicationChanged, work: UnitOfWork) -> None:
    await change_publication(work, event)


async def on_watched_file_found(event: WatchedFileFound, work: UnitOfWork, *, max_size_bytes: int) -> None:
    await register_watched(work, event, datetime.now(UTC), max_size_bytes=max_size_bytes)


async def on_webhook_endpoint_disabled(event: WebhookEndpointDisabled, work: UnitOfWork) -> None:
    """Nothing where its owner has changed its mind, or its address, since."""
    store = WebhookEndpointStore(work.connection)
    endpoint = await store.find(event.tenant_id, event.endpoint_id, lock=True)
    if endpoint is not None and endpoint.enabled and endpoint.generation == event.generation:
        disabled = endpoint.given_up(event.reason, event.disabled_at, datetime.now(UTC))
        await store.update(disabled)
        work.emit(disabled.configured())


def handlers(announcer: Announcer | None = None, *, max_upload_bytes: int = MAX_UPLOAD_BYTES) -> Handlers:
    """The table with this installation's limit. `announcer` None: no project has webhooks."""
    return {
        partial(project_uploads, announcer=announcer): UPLOAD_EVENTS,
        note: (DeliveryChanged, PublicationChanged),
        on_deliveries_changed: (DeliveryChanged,),
        one_by_one(on_publication_changed): (PublicationChanged,),
        one_by_one(partial(on_watched_file_found, max_size_bytes=max_upload_bytes)): (WatchedFileFound,),
        one_by_one(on_webhook_endpoint_disabled): (WebhookEndpointDisabled,),
    }


HANDLERS: Final = handlers()


def _folded(messages: Sequence[Message[UploadEvent]]) -> list[UploadChange]:
    """One change for each upload of which anything is said."""
    folded: dict[UploadId, UploadChange] = {}
    for message in messages:
        change = change_of(message.event, message.envelope.time)
        if change is not None:
            before = folded.get(change.upload_id)
            folded[change.upload_id] = before.merged(change) if before else change
    return list(folded.values())


async def _fail_publications(messages: Sequence[Message[UploadEvent]], work: UnitOfWork) -> None:
    """Of uploads that have no file and never will."""
    failed = {}
    for message in messages:
        match message.event:
            case UploadRejected(upload_id=upload_id, code=code):
                failed[upload_id] = ("upload_rejected", f"The upload was rejected: {code}.")
            case UploadAborted(upload_id=upload_id):
                failed[upload_id] = ("upload_aborted", "The upload was aborted.")
            case UploadExpired(upload_id=upload_id):
                failed[upload_id] = ("upload_expired", "The upload expired before its file arrived.")
    if failed:
        await fail_publications(work, failed)


def _is_to_tell(message: Message[UploadEvent], projected: Mapping[UploadId, Projected]) -> bool:
    """It is about a project's upload, and what it says was not overtaken by something newer."""
    now = projected.get(message.event.upload_id)
    if now is None or now.project_id is None:
        return False
    change = change_of(message.event, message.envelope.time)
    is_fact = isinstance(message.event, UploadCompleted | FileInspected)
    return is_fact or (change is not None and change.advance is not None and change.advance.state is now.state)

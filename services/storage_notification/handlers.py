"""Events in: which objects are awaited, which are said to be there, and which are awaited no longer."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
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
from contracts.ids import UploadId
from libs.messaging.handler import Handlers
from libs.messaging.message import Message
from libs.outbox.unit_of_work import UnitOfWork
from services.storage_notification.domain.announcement import Expectation
from services.storage_notification.store import NotificationStore
from services.storage_notification.usecases import NOTICES

AT_ONCE = timedelta(0)


async def on_upload_events(messages: Sequence[Message[UploadEvent]], work: UnitOfWork) -> None:
    """Adds what they say to what is awaited. An object that is said to be there is looked at as soon as its key is known."""
    store = NotificationStore(work.connection)
    hinted_keys = await store.expect(list(_folded(messages)))
    if hinted_keys:
        await store.keep_notices(hinted_keys, AT_ONCE)
    # Whether a notice is there is not asked here: one that is being kept at this moment would not be seen. Both sides wake
    # the loop after their commits, so whichever is the later one finds the other.
    if hinted_keys or any(isinstance(message.event, UploadRegistered) for message in messages):
        work.wake(NOTICES)


HANDLERS: Handlers = {
    on_upload_events: (
        UploadRegistered,
        UploadFinishRequested,
        FetchCompleted,
        UploadCompleted,
        UploadRejected,
        UploadAborted,
        UploadExpired,
        FileExpired,
        FileDeleted,
    )
}


def _folded(messages: Sequence[Message[UploadEvent]]) -> Iterable[Expectation]:
    """What all messages together say of each upload."""
    folded: dict[UploadId, Expectation] = {}
    for message in messages:
        said = _expectation(message)
        before = folded.get(said.upload_id)
        folded[said.upload_id] = before.merged(said) if before else said
    return folded.values()


def _expectation(message: Message[UploadEvent]) -> Expectation:
    event = message.event
    about = Expectation(event.upload_id, event.tenant_id)
    match event:
        case UploadRegistered():
            return replace(
                about,
                key=event.staging_key,
                deadline_at=event.deadline_at,
                traceparent=message.envelope.traceparent,
                is_hinted=event.transfer == "streamed",
            )
        case UploadFinishRequested() | FetchCompleted():
            return replace(about, is_hinted=True)
        case _:
            return replace(about, is_ended=True)

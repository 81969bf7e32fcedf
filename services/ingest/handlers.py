"""Events in: what is to be fetched, and what no longer; what is watched, and what became of the files found there."""

from collections.abc import Mapping, Sequence
from typing import Final

from contracts.events import (
    FetchCompleted,
    FetchedUploadClosed,
    FetchRequested,
    Stage,
    WatchFolderConfigured,
)
from contracts.ids import UploadId
from libs.messaging.handler import Handlers, one_by_one
from libs.messaging.message import Message
from libs.outbox.unit_of_work import UnitOfWork
from services.ingest.domain.fetch import FETCHES
from services.ingest.domain.watch import CLEARING, WATCH
from services.ingest.store import IngestStore, WatchStore


async def on_fetch_requested(messages: Sequence[Message[FetchRequested]], work: UnitOfWork) -> None:
    await IngestStore(work.connection).request([message.envelope for message in messages])
    work.wake(FETCHES)


async def on_fetched_upload_closed(messages: Sequence[Message[FetchedUploadClosed]], work: UnitOfWork) -> None:
    """Nothing is to be fetched any more, and a file that was found in a watch folder has had its end.

    A worker may have brought the bytes and not lived to say so: that is said here.
    """
    store = IngestStore(work.connection)
    completed = {m.event.upload_id: m for m in messages if m.event.outcome == "completed"}
    found = await store.complete_stored(list(completed))
    for upload_id, head in found.items():
        event = completed[upload_id].event
        work.emit(
            FetchCompleted(
                upload_id=upload_id, tenant_id=event.tenant_id, version=Stage.REGISTERED, size_bytes=event.size_bytes or 0,
                file_name=head.file_name, content_type=head.content_type,
            ),
            cause=completed[upload_id].envelope,
        )  # fmt: skip
    await store.forbid({m.event.upload_id: m.event.tenant_id for m in messages if m.event.upload_id not in found})
    if await WatchStore(work.connection).decide(_decisions(messages)):
        work.wake(CLEARING)


async def on_watch_folder_configured(event: WatchFolderConfigured, work: UnitOfWork) -> None:
    await WatchStore(work.connection).configure(event)
    work.wake(WATCH)


HANDLERS: Handlers = {
    one_by_one(on_watch_folder_configured): (WatchFolderConfigured,),
    on_fetch_requested: (FetchRequested,),
    on_fetched_upload_closed: (FetchedUploadClosed,),
}


def _decisions(messages: Sequence[Message[FetchedUploadClosed]]) -> Mapping[UploadId, str | None]:
    """Upload → why its file was not accepted; None: it was."""
    return {message.event.upload_id: _reason(message.event) for message in messages}


REASONS: Final = {
    "storage_blocked": "storage_blocked: the storage of this account is blocked",
    "aborted": "aborted: the upload was given up",
    "expired": "expired: the file did not arrive in time",
}


def _reason(event: FetchedUploadClosed) -> str | None:
    if event.outcome == "completed":
        return None
    if event.outcome == "rejected":
        return f"{event.code}: {event.message}"
    return REASONS.get(event.code or event.outcome, REASONS["aborted"])

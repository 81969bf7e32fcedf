"""Events in: accounts, what is to be published, and whether there is a file."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from contracts.envelope import Envelope
from contracts.events import (
    AccountConfigured,
    Event,
    FileDeleted,
    FileExpired,
    PublicationChanged,
    PublicationRequested,
    UploadAborted,
    UploadCompleted,
    UploadEvent,
    UploadExpired,
    UploadRejected,
)
from contracts.ids import UploadId, publication_id
from libs.messaging.handler import Handlers, one_by_one
from libs.messaging.message import Message
from libs.outbox.unit_of_work import UnitOfWork
from services.delivery.publishing.domain.error import MESSAGES, PublishCode
from services.delivery.publishing.domain.publication import PUBLICATIONS, KnownFile, NewPublication, Publication
from services.delivery.publishing.store import PublicationStore


async def on_account_configured(event: AccountConfigured, work: UnitOfWork) -> None:
    """Publications that had to wait for their account, or for a working one, may go out now."""
    store = PublicationStore(work.connection)
    await store.keep_account(event)
    for failed in await store.fail_of_removed_accounts([event.account_id], MESSAGES["account_removed"]):
        work.emit(_failed(failed, "account_removed", MESSAGES["account_removed"]))
    work.wake(PUBLICATIONS)


async def on_upload_events(messages: Sequence[Message[UploadEvent]], work: UnitOfWork) -> None:
    """Adds what is known of the files and what is to be published, and does with the publications what both mean for them."""
    store = PublicationStore(work.connection)
    causes = {message.event.upload_id: message.envelope for message in messages}
    known = await store.learn(_folded(messages))
    await _add([new for message in messages for new in _requested(message)], store, work)
    await _advance(known, causes, store, work)


HANDLERS: Handlers = {
    one_by_one(on_account_configured): (AccountConfigured,),
    on_upload_events: (
        PublicationRequested,
        UploadCompleted,
        UploadRejected,
        UploadAborted,
        UploadExpired,
        FileDeleted,
        FileExpired,
    ),
}


def _folded(messages: Sequence[Message[UploadEvent]]) -> list[KnownFile]:
    """What all messages together say of each file; of two that say the same the first counts."""
    folded: dict[UploadId, KnownFile] = {}
    for message in messages:
        said, before = _said(message.event), folded.get(message.event.upload_id)
        folded[said.upload_id] = before.merged(said) if before else said
    return list(folded.values())


_MISSING: Final[Mapping[type[Event], PublishCode]] = {
    UploadRejected: "upload_rejected",
    UploadAborted: "upload_aborted",
    UploadExpired: "upload_expired",
    FileDeleted: "file_deleted",
    FileExpired: "file_expired",
}
"""Why there is no file, and never will be."""


def _said(event: UploadEvent) -> KnownFile:
    if isinstance(event, UploadCompleted):
        return KnownFile(event.upload_id, event.tenant_id, stored=event.object, file_name=event.file_name)
    code = _MISSING.get(type(event))
    if code is None:
        return KnownFile(event.upload_id, event.tenant_id)
    message = f"The upload was rejected: {event.code}." if isinstance(event, UploadRejected) else MESSAGES[code]
    return KnownFile(event.upload_id, event.tenant_id, missing=code, missing_message=message)


async def _add(requested: Sequence[NewPublication], store: PublicationStore, work: UnitOfWork) -> None:
    """Exactly one publication for each account, whatever comes again."""
    if not requested:
        return
    new = {publication.id: publication for publication in requested}
    for added, due_at in await store.add(list(new.values())):
        work.emit(
            PublicationChanged(
                publication_id=added.id, upload_id=added.upload_id, tenant_id=added.tenant_id, account_id=added.account_id,
                sequence=added.sequence, status="scheduled", next_attempt_at=due_at, changed_at=datetime.now(UTC),
            ),
            cause=new[added.id].cause,
        )  # fmt: skip
    accounts = sorted({publication.account_id for publication in new.values()})
    for failed in await store.fail_of_removed_accounts(accounts, MESSAGES["account_removed"]):
        cause = new[failed.id].cause if failed.id in new else None
        work.emit(_failed(failed, "account_removed", MESSAGES["account_removed"]), cause=cause)


def _requested(message: Message[UploadEvent]) -> Iterable[NewPublication]:
    event = message.event
    if not isinstance(event, PublicationRequested):
        return
    for account_id in event.account_ids:
        yield NewPublication(
            publication_id(event.upload_id, account_id), event.upload_id, event.tenant_id, account_id,
            due_at=event.due_at, cause=message.envelope,
        )  # fmt: skip


async def _advance(
    known: Sequence[KnownFile], causes: dict[UploadId, Envelope], store: PublicationStore, work: UnitOfWork
) -> None:
    missing = [file for file in known if file.missing is not None]
    if missing:
        reasons = {file.upload_id: (file.missing or "", file.missing_message or "") for file in missing}
        for failed in await store.fail_of_uploads(reasons):
            code, message = reasons[failed.upload_id]
            work.emit(_failed(failed, code, message), cause=causes[failed.upload_id])
        await store.make_due_now(list(reasons))
        work.wake(PUBLICATIONS)
    stored = [file.upload_id for file in known if file.missing is None and file.stored is not None]
    if stored and await store.make_due(stored):
        work.wake(PUBLICATIONS)


def _failed(publication: Publication, code: str, message: str) -> PublicationChanged:
    return PublicationChanged(
        publication_id=publication.id, upload_id=publication.upload_id, tenant_id=publication.tenant_id,
        account_id=publication.account_id, sequence=publication.sequence, status="failed", error_code=code,
        error_message=message, attempts=publication.attempts, changed_at=datetime.now(UTC),
    )  # fmt: skip

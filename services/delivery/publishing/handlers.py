"""Events in: accounts, what is to be published, and whether there is a file."""

from datetime import UTC, datetime

from contracts.events import (
    AccountConfigured,
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
from contracts.ids import publication_id
from libs.outbox.unit_of_work import UnitOfWork, envelop
from libs.runtime.service import Handlers
from services.delivery.publishing.domain.error import MESSAGES, PublishCode
from services.delivery.publishing.domain.publication import PUBLICATIONS, KnownFile, Publication
from services.delivery.publishing.store import PublicationStore


async def on_account_configured(event: AccountConfigured, work: UnitOfWork) -> None:
    """Publications that had to wait for their account, or for a working one, may go out now."""
    store = PublicationStore(work.connection)
    await store.keep_account(event)
    _failed(await store.fail_of_removed_accounts([event.account_id], MESSAGES["account_removed"]), "account_removed", work)
    work.wake(PUBLICATIONS)


async def on_publication_requested(event: PublicationRequested, work: UnitOfWork) -> None:
    """Exactly one publication for each account, whatever comes again."""
    store = PublicationStore(work.connection)
    known = await store.learn(event.upload_id, event.tenant_id)
    now = datetime.now(UTC)
    due_at = event.due_at or now
    accounts = {publication_id(event.upload_id, account_id): account_id for account_id in event.account_ids}
    for added in await store.add(accounts, event, work.cause or envelop(event, source=work.source), due_at):
        work.emit(PublicationChanged(
            publication_id=added.id, upload_id=added.upload_id, tenant_id=added.tenant_id, account_id=added.account_id,
            sequence=added.sequence, status="scheduled", next_attempt_at=due_at, changed_at=now,
        ))  # fmt: skip
    await _advance(event, known, work)
    removed = await store.fail_of_removed_accounts(list(event.account_ids), MESSAGES["account_removed"])
    _failed(removed, "account_removed", work)


async def on_upload_completed(event: UploadCompleted, work: UnitOfWork) -> None:
    store = PublicationStore(work.connection)
    known = await store.learn(event.upload_id, event.tenant_id, stored=event.object, file_name=event.file_name)
    await _advance(event, known, work)


async def on_upload_rejected(event: UploadRejected, work: UnitOfWork) -> None:
    await _has_no_file(event, "upload_rejected", work, f"The upload was rejected: {event.code}.")


async def on_upload_aborted(event: UploadAborted, work: UnitOfWork) -> None:
    await _has_no_file(event, "upload_aborted", work)


async def on_upload_expired(event: UploadExpired, work: UnitOfWork) -> None:
    await _has_no_file(event, "upload_expired", work)


async def on_file_deleted(event: FileDeleted, work: UnitOfWork) -> None:
    await _has_no_file(event, "file_deleted", work)


async def on_file_expired(event: FileExpired, work: UnitOfWork) -> None:
    await _has_no_file(event, "file_expired", work)


async def _has_no_file(event: UploadEvent, code: PublishCode, work: UnitOfWork, message: str | None = None) -> None:
    store = PublicationStore(work.connection)
    known = await store.learn(event.upload_id, event.tenant_id, missing=code, missing_message=message or MESSAGES[code])
    await _advance(event, known, work)


async def _advance(event: UploadEvent, known: KnownFile, work: UnitOfWork) -> None:
    """Does with the upload's publications what all that is known of its file means for them."""
    store = PublicationStore(work.connection)
    if known.missing is not None:
        message = known.missing_message or MESSAGES[known.missing]
        failed = await store.fail_of_upload(event.upload_id, known.missing, message)
        _failed(failed, known.missing, work, message)
        await store.hasten(event.upload_id)
        work.wake(PUBLICATIONS)
    elif known.stored is not None:
        await store.make_due(event.upload_id)
        work.wake(PUBLICATIONS)


def _failed(publications: list[Publication], code: PublishCode, work: UnitOfWork, message: str | None = None) -> None:
    for failed in publications:
        work.emit(PublicationChanged(
            publication_id=failed.id, upload_id=failed.upload_id, tenant_id=failed.tenant_id, account_id=failed.account_id,
            sequence=failed.sequence, status="failed", error_code=code, error_message=message or MESSAGES[code],
            attempts=failed.attempts, changed_at=datetime.now(UTC),
        ))  # fmt: skip


HANDLERS: Handlers = {
    AccountConfigured: on_account_configured,
    PublicationRequested: on_publication_requested,
    UploadCompleted: on_upload_completed,
    UploadRejected: on_upload_rejected,
    UploadAborted: on_upload_aborted,
    UploadExpired: on_upload_expired,
    FileDeleted: on_file_deleted,
    FileExpired: on_file_expired,
}

"""Submits uploads for publication, follows what becomes of them, and keeps the accounts' quotas exact meanwhile.

A unit of an account's quota is reserved with the submission, in its transaction. It is settled when the publication is
confirmed and released when it has failed or never will be tried: `publications.quota` remembers which, so once.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from contracts.events import PublicationChanged, PublicationRequested, Stage
from contracts.ids import UploadId
from libs.outbox.unit_of_work import Outbox, UnitOfWork, envelop
from libs.postgres.database import TRANSIENT_ERRORS
from services.gateway.domain.account import AccountId, shown_id
from services.gateway.domain.error import AccountNotLinkedError, QuotaExceededError
from services.gateway.domain.publication import FINAL, released_units, settled
from services.gateway.domain.registration import Registration
from services.gateway.domain.submission import Submission, SubmissionState
from services.gateway.domain.upload import Upload
from services.gateway.store import AccountStore, PublicationStore, RegistrationStore, SubmissionStore, UploadStore
from services.gateway.usecases.delete import delete_upload

PATIENCE_SECONDS: Final = 5
PAUSE_SECONDS: Final = 0.1
ENDS: Final = {
    SubmissionState.ABORTED: ("upload_aborted", "The upload was aborted."),
    SubmissionState.EXPIRED: ("upload_expired", "The upload was not completed in time."),
}


@dataclass(frozen=True)
class Entry:
    """What is to be published, where and when."""

    accounts: Sequence[AccountId]
    title: str
    due_at: datetime | None = None
    """None: at once."""
    description: str | None = None
    tags: tuple[str, ...] = ()
    youtube: dict[str, Any] | None = None


async def submit(
    outbox: Outbox, new: Registration, submission: Submission, entry: Entry, *, token_hash: bytes | None = None
) -> None:
    """Registers the upload, reserves a unit of each account and opens the submission (a completed one asks for publication).

    All or nothing; returns when it is durable. A commit whose answer was lost is looked for before another try.

    Raises AccountNotLinkedError or QuotaExceededError; after TimeoutError or another transient error nobody knows.
    """
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            with suppress(*TRANSIENT_ERRORS):
                async with outbox.unit_of_work() as work:
                    if not await SubmissionStore(work.connection).exists(new.id):
                        await _submit(work, new, submission, entry, token_hash)
                return
            await asyncio.sleep(PAUSE_SECONDS)


async def _submit(work: UnitOfWork, new: Registration, submission: Submission, entry: Entry, token_hash: bytes | None) -> None:
    await _reserve(AccountStore(work.connection), new, entry.accounts)
    envelopes = [envelop(event, source=work.source) for event in new.events()]
    await RegistrationStore(work.connection).insert([(new, envelopes)])
    await SubmissionStore(work.connection).insert(submission, token_hash)
    await PublicationStore(work.connection).insert(
        new.tenant_id, new.id, entry.accounts, due_at=entry.due_at, at=new.registered_at
    )
    if submission.state is SubmissionState.COMPLETED:
        request_publication(work, submission, entry, new.name)


async def _reserve(store: AccountStore, new: Registration, account_ids: Sequence[AccountId]) -> None:
    left = await store.lock_quotas(new.tenant_id, account_ids)
    if unknown := [shown_id(account_id) for account_id in account_ids if account_id not in left]:
        raise AccountNotLinkedError(unknown)
    if used_up := [shown_id(id_) for id_ in account_ids if (units := left[id_]) is not None and units < 1]:
        raise QuotaExceededError(used_up)
    await store.charge(account_ids)


def request_publication(work: UnitOfWork, submission: Submission, entry: Entry, file_name: str | None) -> None:
    work.emit(
        PublicationRequested(
            upload_id=submission.upload_id,
            tenant_id=submission.tenant_id,
            version=Stage.REGISTERED,
            account_ids=tuple(entry.accounts),
            due_at=entry.due_at,
            title=entry.title,
            description=entry.description,
            tags=entry.tags,
            file_name=file_name,
            youtube=entry.youtube,
        )
    )


async def end_submission(work: UnitOfWork, submission: Submission, state: SubmissionState, now: datetime) -> Upload | None:
    """Of a locked, open one: the upload is given up, its units are free again. The upload as it was before."""
    await SubmissionStore(work.connection).end(submission.upload_id, state)
    code, message = ENDS[state]
    await fail_publications(work, submission.upload_id, code, message)
    upload = await UploadStore(work.connection).find_of_tenant(submission.tenant_id, submission.upload_id, lock=True)
    if upload is not None:
        await delete_upload(upload, work, now, while_busy=True)
    return upload


async def change_publication(work: UnitOfWork, event: PublicationChanged) -> None:
    """The newest step counts; one that has ended here for want of a file is not opened again by an older one."""
    store = PublicationStore(work.connection)
    known = await store.lock(event.publication_id)
    if known is None or known.sequence >= event.sequence or (known.status in FINAL and event.status not in FINAL):
        return
    quota = settled(known.quota, event.status)
    await store.change(event, quota)
    if units := released_units(known.quota, quota):
        await AccountStore(work.connection).release(known.account_id, units)


async def fail_publications(work: UnitOfWork, upload_id: UploadId, code: str, message: str) -> None:
    """Of an upload that has no file and never will; delivery says the same of those that it knows."""
    store = PublicationStore(work.connection)
    for known in await store.of_uploads([upload_id], lock=True):
        if known.status not in FINAL:
            await AccountStore(work.connection).release(known.account_id, 1)
    await store.fail(upload_id, code, message, datetime.now(UTC))

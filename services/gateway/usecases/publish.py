"""Follows what becomes of publications, and keeps the accounts' quotas exact meanwhile.

A unit of an account's quota is reserved with the submission (`usecases.submit`). It is settled when the publication is
confirmed and released when it has failed or never will be tried: `publications.quota` remembers which, so once.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from contracts.events import PublicationChanged
from contracts.ids import UploadId
from libs.outbox.unit_of_work import UnitOfWork
from services.gateway.domain.publication import FINAL, released_units, settled
from services.gateway.domain.submission import Submission, SubmissionState
from services.gateway.domain.upload import Upload
from services.gateway.store import AccountStore, PublicationStore, SubmissionStore, UploadStore
from services.gateway.usecases.delete import delete_upload

ENDS: Final = {
    SubmissionState.ABORTED: ("upload_aborted", "The upload was aborted."),
    SubmissionState.EXPIRED: ("upload_expired", "The upload was not completed in time."),
}


async def end_submission(work: UnitOfWork, submission: Submission, state: SubmissionState, now: datetime) -> Upload | None:
    """Of a locked, open one: the upload is given up, its units are free again. The upload as it was before."""
    await SubmissionStore(work.connection).end(submission.upload_id, state)
    code, message = ENDS[state]
    await fail_publications(work, {submission.upload_id: (code, message)})
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
        await AccountStore(work.connection).release({known.account_id: units})


async def fail_publications(work: UnitOfWork, reasons: Mapping[UploadId, tuple[str, str]]) -> None:
    """Of uploads that have no file and never will; delivery says the same of those that it knows.

    `reasons`: upload → code and message.
    """
    store = PublicationStore(work.connection)
    open_ones = [known for known in await store.of_uploads(list(reasons), lock=True) if known.status not in FINAL]
    if open_ones:
        await AccountStore(work.connection).release(Counter(known.account_id for known in open_ones))
        failed = {known.upload_id: reasons[known.upload_id] for known in open_ones}
        await store.fail(failed, datetime.now(UTC))

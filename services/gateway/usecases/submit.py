"""Submits uploads for publication: the upload, its publications and a unit of each account's quota in one commit.

Who reserves holds the accounts' rows until the commit, so concurrent requests share one transaction rather than wait for
each other with a connection in their hands.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from contracts.events import PublicationRequested, Stage
from contracts.ids import UploadId
from libs.outbox.unit_of_work import RELAY, Outbox, UnitOfWork, encode_event
from libs.postgres.coalesce import Coalescer
from services.gateway.domain.account import AccountId
from services.gateway.domain.error import GatewayError
from services.gateway.domain.publication import NewPublication
from services.gateway.domain.registration import Registration
from services.gateway.domain.submission import Submission, SubmissionState
from services.gateway.store import AccountStore, PublicationStore, RegistrationStore, SubmissionStore

PATIENCE_SECONDS: Final = 30
"""A refusal may cost the client its whole upload once more."""


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


@dataclass(frozen=True)
class NewSubmission:
    upload: Registration
    submission: Submission
    entry: Entry
    token_hash: bytes | None = None


class Submitter:
    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        # One at a time: a second one would only wait for the rows of the first.
        self._writes: Coalescer[NewSubmission, GatewayError | None] = Coalescer(
            self._write, max_writes=1, patience_seconds=PATIENCE_SECONDS
        )

    async def submit(self, new: NewSubmission) -> None:
        """Opens the submission; a completed one asks for publication. All or nothing; returns when it is durable.

        Raises AccountNotLinkedError or QuotaExceededError; after TimeoutError or another transient error nobody knows.
        """
        refused = await self._writes.submit(new)
        if refused is not None:
            raise refused

    async def _write(self, batch: Sequence[NewSubmission]) -> Sequence[GatewayError | None]:
        async with self._outbox.unit_of_work() as work:
            there = await SubmissionStore(work.connection).existing([new.upload.id for new in batch])
            fresh = [new for new in batch if new.upload.id not in there]
            refused = await _reserve(AccountStore(work.connection), fresh)
            await _insert(work, [new for new in fresh if new.upload.id not in refused])
        return [refused.get(new.upload.id) for new in batch]


async def _reserve(store: AccountStore, batch: Sequence[NewSubmission]) -> dict[UploadId, GatewayError]:
    """In the order of the batch. The refused ones, which take no unit."""
    quotas = await store.lock_quotas({(new.upload.tenant_id, id_) for new in batch for id_ in new.entry.accounts})
    refused: dict[UploadId, GatewayError] = {}
    for new in batch:
        try:
            quotas.take(new.upload.tenant_id, new.entry.accounts)
        except GatewayError as error:
            refused[new.upload.id] = error
    await store.charge(quotas.taken)
    return refused


async def _insert(work: UnitOfWork, batch: Sequence[NewSubmission]) -> None:
    if not batch:
        return
    uploads = [(new.upload, [encode_event(event, source=work.source) for event in new.upload.events()]) for new in batch]
    await RegistrationStore(work.connection).insert(uploads)
    work.wake(RELAY)
    await SubmissionStore(work.connection).insert([(new.submission, new.token_hash) for new in batch])
    await PublicationStore(work.connection).insert([publication for new in batch for publication in _publications(new)])
    for new in batch:
        if new.submission.state is SubmissionState.COMPLETED:
            request_publication(work, new.submission, new.entry, new.upload.name)


def _publications(new: NewSubmission) -> Iterable[NewPublication]:
    for position, account_id in enumerate(new.entry.accounts):
        yield NewPublication(
            new.upload.id, new.upload.tenant_id, account_id, position, due_at=new.entry.due_at, at=new.upload.registered_at
        )


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

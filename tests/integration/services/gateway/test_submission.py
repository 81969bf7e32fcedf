"""Submissions share a commit, and each has its own outcome (T-07, T-19)."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from uuid import uuid4

from contracts.envelope import Envelope
from contracts.events import PublicationRequested, UploadRegistered
from contracts.ids import TenantId
from libs.outbox.unit_of_work import Outbox
from services.gateway.domain.account import Account, AccountId
from services.gateway.domain.error import AccountNotLinkedError, QuotaExceededError
from services.gateway.domain.submission import Submission, SubmissionState
from services.gateway.store import AccountStore, TenantStore
from services.gateway.store.tenant import Tenant
from services.gateway.usecases.submit import Entry, NewSubmission, Submitter
from tests.integration.services.gateway.conftest import NOW, registration


async def linked(outbox: Outbox, quota: int | None = None, tenant_id: TenantId | None = None) -> Account:
    async with outbox.database.transaction() as connection:
        if tenant_id is None:
            tenant_id = TenantId(uuid4())
            tenant = Tenant(tenant_id, "Test", f"org-{tenant_id.hex[:16]}", f"c{tenant_id.hex[:16]}", None, 1, "sealed")
            await TenantStore(connection).insert(tenant)
        account = Account(AccountId(uuid4()), tenant_id, "webhook", "one", "sealed", {}, quota, 0, 0, 1, NOW, NOW)
        await AccountStore(connection).insert(account)
    return account


def submission(*accounts: Account) -> NewSubmission:
    upload = registration(tenant_id=accounts[0].tenant_id, name="clip.mp4", holds_name=False)
    completed = Submission(upload.id, upload.tenant_id, None, SubmissionState.COMPLETED, upload.deadline_at, NOW)
    return NewSubmission(upload, completed, Entry([account.id for account in accounts], "A clip"))


async def events(outbox: Outbox) -> Counter[type]:
    async with outbox.database.connection() as connection:
        rows = await connection.fetch("SELECT unnest(envelopes) AS envelope FROM outbox")
    return Counter(type(Envelope.model_validate_json(row["envelope"]).event()) for row in rows)


async def units(outbox: Outbox, account: Account) -> tuple[int, int]:
    async with outbox.database.connection() as connection:
        found = await AccountStore(connection).find(account.tenant_id, account.id)
    assert found is not None
    return found.quota_used, found.quota_reserved


async def outcomes(submitter: Submitter, batch: Sequence[NewSubmission]) -> list[type | None]:
    ended = await asyncio.gather(*map(submitter.submit, batch), return_exceptions=True)
    return [type(outcome) if outcome else None for outcome in ended]


async def test_of_many_at_once_as_many_are_taken_as_the_quota_allows(outbox: Outbox) -> None:
    scarce = await linked(outbox, quota=3)
    plenty = await linked(outbox, tenant_id=scarce.tenant_id)

    ended = await outcomes(Submitter(outbox), [submission(scarce, plenty) for _ in range(20)])

    assert Counter(ended) == {None: 3, QuotaExceededError: 17}
    assert await units(outbox, scarce) == await units(outbox, plenty) == (0, 3)
    assert await events(outbox) == {UploadRegistered: 3, PublicationRequested: 3}


async def test_two_replicas_keep_one_quota(outbox: Outbox) -> None:
    account = await linked(outbox, quota=5)

    ended = await asyncio.gather(
        *(outcomes(Submitter(outbox), [submission(account) for _ in range(10)]) for _replica in range(2))
    )

    assert Counter([*ended[0], *ended[1]]) == {None: 5, QuotaExceededError: 15}
    assert await units(outbox, account) == (0, 5)


async def test_an_account_of_somebody_else_is_refused_and_harms_no_other(outbox: Outbox) -> None:
    mine, theirs = await linked(outbox), await linked(outbox)
    batch = [submission(mine), submission(mine, theirs), submission(theirs)]

    assert await outcomes(Submitter(outbox), batch) == [None, AccountNotLinkedError, None]
    assert await units(outbox, mine) == await units(outbox, theirs) == (0, 1)


async def test_one_that_is_repeated_is_one(outbox: Outbox) -> None:
    """As after a commit whose answer was lost: nothing is charged twice, and it is not refused for what it took itself."""
    account = await linked(outbox, quota=1)
    new = submission(account)

    assert await outcomes(Submitter(outbox), [new]) == [None]
    assert await outcomes(Submitter(outbox), [new]) == [None]

    assert await units(outbox, account) == (0, 1)
    assert await events(outbox) == {UploadRegistered: 1, PublicationRequested: 1}

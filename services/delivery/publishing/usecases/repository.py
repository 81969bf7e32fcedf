"""The publications: rows and the events about them in one commit."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

import structlog

from contracts.envelope import EncodedEvent
from contracts.events import Event, JsonObject, PublicationChanged
from libs.jobs.claim import ClaimLimits
from libs.outbox.unit_of_work import RELAY, Outbox, encode_event
from services.delivery.publishing import metrics
from services.delivery.publishing.domain.error import PublishError
from services.delivery.publishing.domain.outcome import Failed, FileGone, Outcome, Postponed, Published, Retrying
from services.delivery.publishing.domain.publication import Claimed, Publication
from services.delivery.publishing.store import PublicationStore

log = structlog.get_logger()

Result = tuple[Claimed, Outcome]


@dataclass(frozen=True)
class PublicationRepository:
    outbox: Outbox
    lease_seconds: float
    account_concurrency: int
    """About so many to one account may be under way in all processes together."""
    clean: Callable[[Claimed, JsonObject | None], None]
    """Begins to tidy up after a failure that was recorded."""

    async def claim(self, limits: ClaimLimits) -> Sequence[Claimed]:
        async with self.outbox.database.transaction() as connection:
            store = PublicationStore(connection)
            claims = await store.claim(limits, self.account_concurrency, lease_seconds=self.lease_seconds)
            first = [one for one in claims if one.is_first_dispatch]
            await self.outbox.write(connection, [_about(one, changed(one.publication, "dispatching")) for one in first])
        for one in claims:
            metrics.LATE.observe(one.lag_seconds)
        if first:
            self.outbox.wakeups.wake(RELAY)
        return claims

    async def renew(self, jobs: Sequence[Claimed]) -> Collection[UUID]:
        async with self.outbox.database.connection() as connection:
            return await PublicationStore(connection).renew(jobs, self.lease_seconds)

    async def release(self, jobs: Sequence[Claimed]) -> None:
        async with self.outbox.database.connection() as connection:
            await PublicationStore(connection).postpone([(claimed, 0.0) for claimed in jobs])

    async def record(self, results: Sequence[Result]) -> float | None:
        async with self.outbox.database.transaction() as connection:
            store = PublicationStore(connection)
            results = await _with_reasons(store, results)
            await _count_answers(store, results)
            told = await _written(store, results)
            await self.outbox.write(connection, [_about(claimed, event) for claimed, _, event in told])
        if told:
            self.outbox.wakeups.wake(RELAY)
        for claimed, outcome, event in told:
            _log(claimed, outcome, event)
            if isinstance(outcome, Failed):
                self.clean(claimed, outcome.state)
        return min((outcome.seconds for _, outcome in results if isinstance(outcome, Retrying | Postponed)), default=None)

    async def seconds_until_due(self) -> float | None:
        async with self.outbox.database.connection() as connection:
            return await PublicationStore(connection).seconds_until_due()


async def _with_reasons(store: PublicationStore, results: Sequence[Result]) -> Sequence[Result]:
    """Why a file is gone is what events tell; where they have not told it yet, less."""
    gone = [claimed.publication.upload_id for claimed, outcome in results if isinstance(outcome, FileGone)]
    known = await store.known_files(gone) if gone else {}

    def reason(claimed: Claimed, outcome: FileGone) -> Failed:
        file = known.get(claimed.publication.upload_id)
        code, message = (file.missing, file.missing_message) if file else (None, None)
        return Failed(PublishError(code or "file_missing", message), 1, outcome.state)

    return [(claimed, reason(claimed, end) if isinstance(end, FileGone) else end) for claimed, end in results]


async def _count_answers(store: PublicationStore, results: Sequence[Result]) -> None:
    """Of destinations that were asked."""
    answered: set[UUID] = set()
    silent: Counter[UUID] = Counter()
    for claimed, outcome in results:
        match outcome:
            case Retrying(error=error) | Failed(error=error, attempts=1) if error.unreached:
                silent[claimed.publication.account_id] += 1
            case Published() | Retrying() | Failed(attempts=1):
                answered.add(claimed.publication.account_id)
    await store.count_answers(silent, answered)


async def _written(store: PublicationStore, results: Sequence[Result]) -> list[tuple[Claimed, Outcome, PublicationChanged]]:
    """Those that were still ours, with what is said of them."""

    def of(kind: type[Outcome]) -> list[tuple[Claimed, Any]]:
        return [(claimed, outcome) for claimed, outcome in results if isinstance(outcome, kind)]

    rows: dict[UUID, tuple[Publication, datetime | None]] = {}
    for kind, write in ((Published, store.publish), (Retrying, store.retry), (Failed, store.fail)):
        if some := of(kind):
            rows |= await write(some)
    if postponed := of(Postponed):
        await store.postpone([(claimed, outcome.seconds) for claimed, outcome in postponed], store_errors=1)
    return [(claimed, outcome, _event(*rows[claimed.lease], outcome)) for claimed, outcome in results if claimed.lease in rows]


def _event(publication: Publication, next_at: datetime | None, outcome: Outcome) -> PublicationChanged:
    match outcome:
        case Published(external_id):
            return changed(publication, "published", external_id=external_id)
        case Retrying(error):
            return changed(publication, "retrying", error, next_attempt_at=next_at)
        case Failed(error):
            return changed(publication, "failed", error)
    raise AssertionError(outcome)


def changed(
    publication: Publication,
    status: Literal["dispatching", "retrying", "published", "failed"],
    error: PublishError | None = None,
    *,
    external_id: str | None = None,
    next_attempt_at: datetime | None = None,
) -> PublicationChanged:
    return PublicationChanged(
        publication_id=publication.id, upload_id=publication.upload_id, tenant_id=publication.tenant_id,
        account_id=publication.account_id, sequence=publication.sequence, status=status, external_id=external_id,
        error_code=error.code if error else None, error_message=str(error) if error else None,
        attempts=publication.attempts, next_attempt_at=next_attempt_at, changed_at=datetime.now(UTC),
    )  # fmt: skip


def _log(claimed: Claimed, outcome: Outcome, event: PublicationChanged) -> None:
    if not isinstance(outcome, Retrying):
        metrics.ENDED.labels(event.status).inc()
    write = log.info if isinstance(outcome, Published) else log.warning
    write(
        f"publication.{event.status}", kind=claimed.account.kind, code=event.error_code,
        next_attempt_at=str(event.next_attempt_at or ""), **claimed.ids,
    )  # fmt: skip


def _about(claimed: Claimed, event: Event) -> EncodedEvent:
    """The event as a consequence of the message that asked for the publication, in the same trace."""
    return encode_event(event, source="delivery", cause=claimed.cause)
